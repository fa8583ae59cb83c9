"""What can be opened for people, one file a verb."""
