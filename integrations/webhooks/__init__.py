"""Signals that other systems send: signed, checked, durable before they are answered."""
