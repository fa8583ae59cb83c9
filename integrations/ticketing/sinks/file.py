"""Tickets as files in a folder: `<key>.md` for people, `<key>.json` for programs; the latter means it is open."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

from integrations.sinks import Options, options
from integrations.ticketing.directory import VERBS
from patchgap.errors import BadInputError, UnreachableError
from patchgap.graph.documents import parse_json
from patchgap.model.telling import Draft, Note, Ticket
from patchgap.registry import sink
from patchgap.settings import SinkSettings

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}", re.ASCII)


class _Folder(Options):
    folder: Path | None = None  # `tickets` in PATCHGAP_HOME where nothing is said


@sink
class FileKind:
    """A folder.

    Example::

        name = "tickets"
        kind = "file"
        options = {folder = "/var/lib/patchgap/tickets"}
    """

    kind: ClassVar[str] = "file"
    permissions: ClassVar[tuple[str, ...]] = ("write options.folder",)
    verbs: ClassVar[tuple[str, ...]] = VERBS

    def make(self, settings: SinkSettings, home: Path) -> FileSink:
        """The folder, made when the first ticket is opened."""
        return FileSink(options(settings, _Folder).folder or home / "tickets")


@dataclass(frozen=True, slots=True)
class FileSink:
    """A folder, made when the first ticket is opened."""

    folder: Path

    @property
    def shown(self) -> str:
        """The folder."""
        return str(self.folder)

    @property
    def anew(self) -> bool:
        """Whether a person is called by a thread of its own."""
        return False

    def find(self, key: str, since: datetime) -> Ticket | None:  # noqa: ARG002  (the protocol's)
        """The ticket of that key. Raises UnreachableError where the folder cannot be read."""
        held = self._index(key)
        return None if held is None else Ticket(str(held["id"]), str(held["url"]))

    def open(self, draft: Draft) -> Ticket:
        """Writes both files, each whole or not at all. Raises UnreachableError where it cannot."""
        page = self._path(draft.key, "md")
        ticket = Ticket(draft.key, page.absolute().as_uri())
        index = {
            "id": ticket.id,
            "url": ticket.url,
            "incident": draft.incident,
            "verb": draft.verb,
            "severity": draft.severity,
            "title": draft.title,
            "status": "open",
            "body": draft.body,
            "notes": [],
        }
        self._keep(draft.key, index)
        return ticket

    def add(self, ticket: Ticket, note: Note) -> None:
        """Adds it to both files, once a key."""
        index = self._index(ticket.id)
        if index is None:
            raise self._unreachable(f"{ticket.id} is gone", BadInputError("the folder", "no such ticket", ""))
        notes = [n for n in index.get("notes", []) if n["key"] != note.key]
        notes.append({"key": note.key, "title": note.title, "body": note.body})
        self._keep(ticket.id, {**index, "status": note.status, "notes": notes})

    def _index(self, key: str) -> dict[str, Any] | None:
        path = self._path(key, "json")
        try:
            held = parse_json(path.read_bytes(), path)
            _ = held["id"], held["url"]
        except FileNotFoundError:
            return None
        except (OSError, BadInputError, KeyError) as error:
            raise self._unreachable(f"{key}.json cannot be read", error) from error
        return held

    def _keep(self, key: str, index: Mapping[str, Any]) -> None:
        said = "".join(f"\n## {n['title']}\n\n{n['body']}" for n in index.get("notes", []))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self._path(key, "md"), f"# {index['title']}\n\n{index['body']}{said}")
            _write(self._path(key, "json"), json.dumps(index, indent=2) + "\n")
        except OSError as error:
            raise self._unreachable(f"{key} cannot be written", error) from error

    def _path(self, key: str, ending: str) -> Path:
        if not _KEY.fullmatch(key):
            raise BadInputError(
                "the ticket's key", f"{key[:80]!r} is no file's name", "Report this: keys are made here."
            )
        return self.folder / f"{key}.{ending}"

    def _unreachable(self, problem: str, error: Exception) -> UnreachableError:
        why = error.strerror if isinstance(error, OSError) else "it is no index that patchgap wrote"
        return UnreachableError(
            f"{problem} in {self.folder}: {why}",
            "Make the file sink's options.folder a folder that patchgap may write to.",
        )


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
