"""The order of rpm's distributions (Red Hat, Rocky, Alma, SUSE, Fedora), from rpm-version(7) and rpm's rpmvercmp.

`epoch:version-release`; separators part segments and do not count, `~` is before the end and `^` is just after it. rpm
orders any text at all, as its own tests show (`a+` is `a_`): whether it is a version is for who asks to say.
"""

from __future__ import annotations

import re
from typing import Any

_EPOCH = re.compile(r"([0-9]*):")
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")
_TILDE, _END, _CARET = (0,), (1,), (2,)


def key(text: str) -> Any:
    """Raises ValueError where the text is none. No epoch is epoch 0; a version without a release is before each of
    its releases."""
    if not text or any(map(str.isspace, text)):
        raise ValueError(f"{text!r} is no version of rpm")
    found = _EPOCH.match(text)
    version, mark, release = text[found.end() if found else 0 :].rpartition("-")
    if not mark:
        version, release = release, ""
    epoch = int(found.group(1) or 0) if found else 0
    return (epoch, _part(version), _part(release) if mark else ())


def _part(text: str) -> tuple[Any, ...]:
    return (*map(_segment, _SEGMENT.findall(text)), _END)


def _segment(text: str) -> tuple[Any, ...]:
    if text == "~":
        return _TILDE
    if text == "^":
        return _CARET
    return (4, int(text)) if text.isdigit() else (3, text)
