"""Credentials from a docker config file, read when they are asked for and held nowhere. No value is ever shown.

A credential helper is a program; it is not run, and a registry that only it knows is asked without credentials.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from patchgap.errors import BadInputError
from patchgap.graph.documents import parse_json, read_bytes

_LARGEST = 1024 * 1024
_HUB_NAMES = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")


class Credentials(NamedTuple):
    """A user and password, or an identity token that a token server takes in exchange."""

    user: str
    password: str
    identity_token: str = ""

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def __repr__(self) -> str:
        return "Credentials(…)"


def credentials_for(host: str, config: Path | None) -> Credentials | None:
    """What the file holds for that registry; None where it holds nothing or there is no file by default. Raises
    BadInputError naming the file, never what is in it."""
    path = config or Path("~/.docker/config.json").expanduser()
    if config is None and not path.is_file():
        return None
    auths = _mapping(parse_json(read_bytes(path, _LARGEST), path).get("auths"))
    names = _HUB_NAMES if host == "docker.io" else (host, f"https://{host}", f"https://{host}/v1/", f"http://{host}")
    entry = next((_mapping(auths[name]) for name in names if name in auths), {})
    return _read(entry, path) if entry else None


def _read(entry: Mapping[str, Any], path: Path) -> Credentials | None:
    user, password, token = entry.get("username"), entry.get("password"), entry.get("identitytoken") or ""
    if auth := entry.get("auth"):
        try:
            user, _, password = base64.b64decode(str(auth), validate=True).decode().rstrip("\0").partition(":")
        except (binascii.Error, ValueError):
            raise BadInputError(path, "an entry's auth is no base64", "Run docker login anew.") from None
    if not isinstance(token, str) or not all(isinstance(one, str) for one in (user or "", password or "")):
        raise BadInputError(path, "an entry's credentials are no text", "Run docker login anew.")
    return Credentials(str(user or ""), str(password or ""), token) if token or (user and password) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
