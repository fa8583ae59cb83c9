"""The order of rpm's distributions (Red Hat, Rocky, Alma, SUSE, Fedora), from rpm-version(7) and rpm's rpmvercmp.

`epoch:version-release`; separators part segments and do not count, `~` is before the end and `^` is just after it.
"""

from __future__ import annotations

import re
from typing import Any

_VERSION = re.compile(r"(?:(\d*):)?([^\s:-][^\s:]*?)(?:-([^\s:-]*))?", re.ASCII)
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_TILDE, _END, _CARET = (0,), (1,), (2,)


def key(text: str) -> Any:
    """Raises ValueError where the text is none. No epoch is epoch 0; a version without a release is before each of
    its releases."""
    match = _VERSION.fullmatch(text)
    if match is None or not _SEGMENT.search(text):
        raise ValueError(f"{text!r} is no version of rpm")
    epoch, version, release = match.groups()
    return (int(epoch or 0), _part(version), () if release is None else _part(release))


def _part(text: str) -> tuple[Any, ...]:
    return (*map(_segment, _SEGMENT.findall(text)), _END)


def _segment(text: str) -> tuple[Any, ...]:
    if text == "~":
        return _TILDE
    if text == "^":
        return _CARET
    return (4, int(text)) if text.isdigit() else (3, text)
