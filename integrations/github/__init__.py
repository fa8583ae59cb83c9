"""GitHub: issues for people, and promotion held where it happens."""
