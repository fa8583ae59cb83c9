"""Manifests without what may be a secret: fit to be kept as evidence and shown.

Owns what looks like a secret in a manifest. A Secret's own data is never read in the first place. It redacts rather
too much than too little; the shape of the manifest stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

REDACTED = "[redacted]"
_NAMED = re.compile(
    r"pass(word|wd|phrase)?|secret|token|api_?-?key|access_?-?key|private|credential|auth|session|cookie|signature"
    r"|\bsas\b|dsn|conn(ection)?_?-?str",
    re.IGNORECASE,
)
_SHAPED = (
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),  # a JWT
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY"),
    re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\b(gh[pousr]_|github_pat_|xox[abposr]-|sk-|glpat-|hf_|npm_|pypi-)[A-Za-z0-9_-]{10,}"),
    re.compile(r"://[^/\s:@]*:[^/\s@]+@"),  # an address with a password
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/_.=-]{8,}"),
    re.compile(  # an assignment or an option in a line of shell, JSON or a URL's query
        r"(?i)(password|passwd|pwd|secret|token|api_?-?key|access_?-?key|credential)[a-z0-9_.-]{0,40}[\"']?\s{0,4}[=:]\s{0,4}[\"']?[^\s\"'$&|;]"
    ),
    re.compile(
        r"(?i)(?<![a-z0-9_.-])-[a-z0-9_.-]{0,40}(password|passwd|secret|token|api_?-?key)[a-z0-9_.-]{0,40}\s+[^\s$-]"
    ),
)
# The same shapes in a text, each to its end; `before` stays. Who writes a log may be the attacker: nothing here may
# take longer than the text is long.
_WHOLE = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|xox[abposr]-|sk-|glpat-|hf_|npm_|pypi-)[A-Za-z0-9_-]{10,}"),
    re.compile(r"(?P<before>://)[^/\s:@]*:[^/\s@]+(?=@)"),
    re.compile(r"(?i)(?P<before>\b(?:bearer|basic)\s+)[A-Za-z0-9+/_.=-]{8,}"),
    re.compile(
        r"(?i)(?P<before>(?:password|passwd|pwd|secret|token|api_?-?key|access_?-?key|credential)[a-z0-9_.-]{0,40}[\"']?"
        r"[ \t]{0,4}[=:][ \t]{0,4})(?:\"(?:[^\"\\\n]|\\.)*\"?|'[^'\n]*'?|[^\s\"'$&|;,}][^\s&|;,}]*)"
    ),
    re.compile(
        r"(?i)(?P<before>(?<![a-z0-9_.-])-[a-z0-9_.-]{0,40}(?:password|passwd|secret|token|api_?-?key)[a-z0-9_.-]{0,40}[ \t]{1,4})[^\s$-]\S*"
    ),
)
_LONG = re.compile(r"^[A-Za-z0-9+/_=-]{32,}$")  # no words, no path: a key as likely as not
_ARGUMENT = re.compile(r"^((?:--?)?[A-Za-z0-9_.-]+)=(.*)$", re.DOTALL)
_REFERS = re.compile(r"(name|namespace|path|policy|mode|type|class|audience)s?$", re.IGNORECASE)  # says where, not what
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def redacted(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a manifest: no Secret's data, no value that looks secret, no managedFields."""
    cleaned: dict[str, Any] = _clean(manifest)
    if manifest.get("kind") == "Secret":
        for field in ("data", "stringData"):
            if field in cleaned:
                cleaned[field] = dict.fromkeys(cleaned[field], REDACTED)
    if isinstance(cleaned.get("metadata"), dict):
        cleaned["metadata"].pop("managedFields", None)
    return cleaned


def without_secrets(text: str) -> str:
    """A text that a program wrote, such as a log, with what has the shape of a credential redacted, and no more of it:
    the lines stay, and so do digests and addresses."""
    for shape in _WHOLE:
        text = shape.sub(lambda m: (m.groupdict().get("before") or "") + REDACTED, text)
    return text


def _clean(value: Any, *, suspect: bool = False) -> Any:
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list):
        return _arguments(value) if all(isinstance(v, str) for v in value) else [_clean(v) for v in value]
    if isinstance(value, str) and (suspect or looks_secret(value)):
        return REDACTED
    return value


def _mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):  # a variable of the environment
        hidden = _NAMED.search(value["name"]) or looks_secret(value["value"]) or _LONG.match(value["value"])
        return {**value, "value": REDACTED} if hidden else dict(value)
    if _LAST_APPLIED in value:
        value = {**value, _LAST_APPLIED: _last_applied(value[_LAST_APPLIED])}
    return {k: v if k == _LAST_APPLIED else _clean(v, suspect=_is_secret(k)) for k, v in value.items()}


def _is_secret(key: str) -> bool:
    return bool(_NAMED.search(key)) and not _REFERS.search(key)


def _last_applied(text: Any) -> str:
    try:
        document = json.loads(text)
    except (TypeError, ValueError):
        return REDACTED
    return json.dumps(redacted(document)) if isinstance(document, dict) else REDACTED


def _arguments(values: list[str]) -> list[str]:
    cleaned, hide_next = [], False
    for value in values:
        pair = _ARGUMENT.match(value)
        if pair and not hide_next and (_NAMED.search(pair[1]) or _LONG.match(pair[2]) or looks_secret(pair[2])):
            cleaned.append(f"{pair[1]}={REDACTED}")
        elif hide_next or looks_secret(value):
            cleaned.append(REDACTED)
        else:
            cleaned.append(value)
        hide_next = value.startswith("-") and "=" not in value and bool(_NAMED.search(value))
    return cleaned


def looks_secret(value: str) -> bool:
    """Whether the text has the shape of a credential."""
    return any(shape.search(value) for shape in _SHAPED)
