"""Where captured files are kept, each with its digest: a folder here, or a bucket; an index, written last, makes them whole.

Owns that a whole capture is never written again, and that a file which was changed since is told. It knows no control
plane and not what the files hold.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from patchgap.errors import BadInputError, ConflictError, RefusedError
from patchgap.settings import Settings

_INDEX = "index.json"


class Place(Protocol):
    """Where one capture's files are. Both raise a PatchgapError where the place cannot be had."""

    @property
    def shown(self) -> str:
        """The folder's path, or the address of the prefix."""

    def read(self, name: str) -> bytes | None:
        """The file, or None where there is none."""

    def write(self, name: str, content: bytes, *, once: bool = False) -> None:
        """Writes the file; `once` raises ConflictError where there is one."""


def place_of(settings: Settings, *parts: str) -> Place:
    """The place of a capture that these parts name. Raises RefusedError for a part that no folder can bear."""
    if any(p in {"", ".", ".."} or "/" in p or "\\" in p or not p.isprintable() for p in parts):
        raise RefusedError(f"{'/'.join(parts)!r} is no name that a folder can bear", "Rename it in patchgap.toml.")
    to = settings.forensics.to
    if to.startswith("s3://"):
        from integrations.aws.bucket import Bucket  # imported late: only where a bucket is set

        address = urlsplit(to)
        prefix = "/".join((*(p for p in address.path.split("/") if p), *parts))
        return Bucket(settings.forensics, settings.aws.timeout_seconds, address.netloc, prefix)
    return Folder((Path(to) if to else settings.home / "forensics").joinpath(*parts))


class Folder:
    """A folder whose files their owner alone reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def shown(self) -> str:
        """Its path."""
        return str(self._path)

    def read(self, name: str) -> bytes | None:
        """The file's bytes."""
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BadInputError(
                self._path / name, f"it cannot be read: {error.strerror}", "Look at who owns it."
            ) from error

    def write(self, name: str, content: bytes, *, once: bool = False) -> None:
        """Puts the whole file there at once, mode 0600."""
        path = self._path / name
        draft = path.with_name(f".{name}.{os.getpid()}")
        try:
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.unlink(missing_ok=True)  # of a capture that was cut off
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if once:
                os.link(draft, path)
                draft.unlink()
            else:
                draft.replace(path)
        except FileExistsError as error:
            raise ConflictError(f"{path} is there already", "Run it again: another capture made it.") from error
        except OSError as error:
            raise BadInputError(
                self._path,
                f"the forensics cannot be written: {error.strerror}",
                "Make that folder writable, with space left.",
            ) from error


def kept(place: Place) -> Mapping[str, str]:
    """The digest of each file of a whole capture; {} where there is none. Raises ConflictError for one that was changed
    since."""
    index = place.read(_INDEX)
    if index is None:
        return {}
    try:
        named = dict(json.loads(index))
    except (ValueError, TypeError):
        named = {_INDEX: ""}
    changed = [n for n, digest in named.items() if digest_of(place.read(n) or b"") != digest]
    if changed:
        raise ConflictError(
            f"{place.shown}: {', '.join(changed)} is not what was captured",
            "Find out who changed it; move the folder away to capture what is there now.",
        )
    return named


def keep(place: Place, files: Mapping[str, bytes], may_write: Callable[[], None]) -> Mapping[str, str]:
    """Writes the files and then their index; `may_write` raises while the kill switch stands."""
    for name, content in files.items():
        may_write()
        place.write(name, content)
    index = {name: digest_of(content) for name, content in files.items()}
    may_write()
    place.write(_INDEX, json.dumps(index, indent=2, sort_keys=True).encode(), once=True)
    return index


def digest_of(content: bytes) -> str:
    """`sha256:…` of the bytes."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
