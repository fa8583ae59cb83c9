"""PyPI's order, PEP 440 ("Version specifiers", packaging.python.org), by `packaging`, which is its reference."""

from __future__ import annotations

from typing import Any

from packaging.version import Version


def key(text: str) -> Any:
    """Raises ValueError where the text is no version of PEP 440."""
    return Version(text)  # its InvalidVersion is a ValueError
