"""Foreign text as people may see it."""

from __future__ import annotations


def safe(text: str, keep: str = "") -> str:
    """Control characters, which could rewrite a screen, and those that turn a line round, as escapes; all but `keep`."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)
