"""Ticket systems and pagers, one file a kind."""
