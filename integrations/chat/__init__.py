"""Messages to people: Slack and e-mail."""
