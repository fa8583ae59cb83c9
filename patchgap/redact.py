"""What looks like a secret, so that the ledger can refuse it: the last line behind "a secret is a reference".

Patterns of credentials that carry their own shape. It never returns the value that it found. What comes from elsewhere
(a signal, what a check saw) may quote one and must not be lost for it: there the value alone is withheld.
Who writes it may be the attacker: no pattern may take longer than the text is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from patchgap.errors import RefusedError
from patchgap.model.codec import digest


class SecretError(RefusedError):
    """What was to be recorded holds what looks like a secret; nothing was written, and the value is not repeated."""


class _Shape(NamedTuple):
    """A credential's form. Each text that has it holds one of the `marks`, which is found many times quicker."""

    marks: tuple[str, ...]
    form: re.Pattern[str]


_SHAPES = {
    "a private key": _Shape(("-----BEGIN",), re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")),
    "a JSON web token": _Shape(
        ("eyJ",),
        re.compile(
            r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]++\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8})"
            r"(?:[A-Za-z0-9_-]*?-)?eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
        ),
    ),
    "a bearer token": _Shape(("earer",), re.compile(r"\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{20,}")),
    "an AWS access key": _Shape(("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    "a GitHub token": _Shape(
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    ),
    "a webhook secret": _Shape(("whsec_",), re.compile(r"\bwhsec_[A-Za-z0-9+/=]{16,}")),
    "a URL with a password": _Shape(
        ("://",), re.compile(r"(?:(?<![A-Za-z0-9+.-])[A-Za-z0-9+.-]++)?://[^\s/:@\"]*:[^\s/@\"]+@")
    ),
}
_ESCAPED = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)")  # of JSON: the letter of a line's end is no part of what follows it

_WHOLE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def secret_in(text: str) -> str:
    """What kind of secret the JSON text seems to hold ("a bearer token"), or ""."""
    marked = list(_marked(text))
    text = _ESCAPED.sub(" ", text) if marked and "\\" in text else text
    return next((name for name, form in marked if form.search(text)), "")


def without_secrets(text: str) -> str:
    """The text with what seems to be a secret taken out and its kind said instead."""
    text = _WHOLE_KEY.sub("(a private key, withheld)", text)
    for name, form in _marked(text):
        text = form.sub(f"({name}, withheld)", text)
    return text


def _marked(text: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """The forms that the text may have. A mark has no blank and nothing that JSON escapes, so that it is in the text as
    it is written where it is in what that says."""
    return ((name, shape.form) for name, shape in _SHAPES.items() if any(mark in text for mark in shape.marks))


def recognisable(text: str) -> str:
    """The same, where a secret was taken out with a part of the whole text's digest, so that two such texts differ."""
    left = without_secrets(text)
    return text if left == text else f"{left} ({digest(text)[:19]})"


def withheld(document: Any) -> Any:
    """That plain JSON with what seems to be a secret taken out of every text in it, also of an object's keys: those that
    are the same then are numbered."""
    if isinstance(document, str):
        return without_secrets(document)
    if isinstance(document, dict):
        left: dict[str, Any] = {}
        for key, value in document.items():
            name = kept = withheld(key)
            while name in left or (name != key and name in document):
                name = f"{kept} {len(left) + 1}"
            left[name] = withheld(value)
        return left
    return [withheld(item) for item in document] if isinstance(document, list) else document
