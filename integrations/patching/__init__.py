"""The patch window: when work that can wait is done."""
