"""What can be queued, one file a verb."""
