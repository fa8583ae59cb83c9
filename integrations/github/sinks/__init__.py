"""Where people are told at GitHub."""
