"""What patchgap can change at GitHub, one file a verb."""
