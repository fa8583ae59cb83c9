"""Tickets as files in a folder: `<key>.md` for people, `<key>.json` for programs; the latter means it is open."""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from integrations.ticketing.tickets import Draft, Ticket
from patchgap.errors import BadInputError, UnreachableError
from patchgap.graph.documents import parse_json

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileSink:
    """A folder, made when the first ticket is opened."""

    folder: Path

    @property
    def shown(self) -> str:
        """The folder."""
        return str(self.folder)

    def find(self, key: str) -> Ticket | None:
        """The ticket of that key. Raises UnreachableError where the folder cannot be read."""
        index = self._path(key, "json")
        try:
            held = parse_json(index.read_bytes(), index)
            return Ticket(str(held["id"]), str(held["url"]))
        except FileNotFoundError:
            return None
        except (OSError, BadInputError, KeyError) as error:
            raise self._unreachable(f"{key}.json cannot be read", error) from error

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
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(page, f"# {draft.title}\n\n{draft.body}")
            _write(self._path(draft.key, "json"), json.dumps(index, indent=2) + "\n")
        except OSError as error:
            raise self._unreachable(f"{draft.key} cannot be written", error) from error
        return ticket

    def _path(self, key: str, ending: str) -> Path:
        if not _KEY.fullmatch(key):
            raise BadInputError(
                "the ticket's key", f"{key[:80]!r} is no file's name", "Report this: keys are made here."
            )
        return self.folder / f"{key}.{ending}"

    def _unreachable(self, problem: str, error: Exception) -> UnreachableError:
        why = error.strerror if isinstance(error, OSError) else "it is no index that patchgap wrote"
        return UnreachableError(
            f"{problem} in {self.folder}: {why}", "Make tickets.folder a folder that patchgap may write to."
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
