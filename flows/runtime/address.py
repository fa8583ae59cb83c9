"""Where the Prefect API is, and what a process needs in its environment to talk to it.

Owns no server; `server` starts one and hands out its address.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from patchgap.errors import BadInputError


@dataclass(frozen=True)
class PrefectAddress:
    """`api_url` ends in /api. `auth` is the server's "user:password", "" for a server without."""

    api_url: str
    auth: str = field(default="", repr=False)

    @property
    def ui_url(self) -> str:
        """The page that a person opens."""
        return self.api_url.removesuffix("/api")

    def environ(self) -> dict[str, str]:
        """Variables for a process that talks to it."""
        told = {"PREFECT_API_URL": self.api_url}
        if self.auth:
            told["PREFECT_API_AUTH_STRING"] = self.auth
        return told | CLIENT_SETTINGS


CLIENT_SETTINGS = {
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    "PREFECT_CLIENT_MAX_RETRIES": "7",  # SQLite-backed servers answer 503 under light load
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PYTHONSAFEPATH": "1",  # a foreign flows/ in the working directory must not shadow ours
}


def configured(environ: Mapping[str, str] = os.environ) -> PrefectAddress | None:
    """The server that this process is told to use, by variable or by the active Prefect profile; None for none.

    Reads the profile itself: importing Prefect would settle its settings before we have chosen a server."""
    told = _profile(environ) | dict(environ)
    if url := told.get("PREFECT_API_URL"):
        return PrefectAddress(url.rstrip("/"), told.get("PREFECT_API_AUTH_STRING", ""))
    return None


def _profile(environ: Mapping[str, str]) -> dict[str, str]:
    home = Path(environ.get("PREFECT_HOME") or Path.home() / ".prefect")
    file = Path(environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml")
    if not file.is_file():
        return {}
    try:
        profiles = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInputError(file, f"cannot be read as TOML: {error}", "Correct Prefect's profiles.") from error
    active = environ.get("PREFECT_PROFILE") or profiles.get("active", "")
    return {k: str(v) for k, v in profiles.get("profiles", {}).get(active, {}).items()}
