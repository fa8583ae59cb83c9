"""The configured sinks by name, and which of them take a verb."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from patchgap import registry
from patchgap.errors import BadInputError, NotFoundError
from patchgap.ports import Sink, SinkKind
from patchgap.settings import Settings, SinkSettings

VERBS = ("open_incident", "open_ticket", "notify", "person_called")
_FOLDER = SinkSettings(name="tickets", kind="file")  # where nothing is configured


@dataclass(frozen=True, slots=True)
class Entry:
    """One sink, as it is configured."""

    name: str
    sink: Sink
    verbs: tuple[str, ...] = VERBS
    severities: tuple[str, ...] = ()  # all where empty
    person: str = ""  # who alone reads it, "" for a channel

    def takes(self, verb: str, severity: str) -> bool:
        """Whether it is told of this. A call for a person is of every severity."""
        urgent = not self.severities or verb == "person_called" or severity in self.severities
        return verb in self.verbs and urgent


class Sinks:
    """The connection to all of them."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries: Mapping[str, Entry] = {e.name: e for e in entries}

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """From the settings: a folder in patchgap's home where nothing is configured. Raises BadInputError naming the
        sink and its field."""
        kinds = registry.load().sinks
        return cls([_entry(one, kinds, settings) for one in settings.sinks or (_FOLDER,)])

    def of(self, name: str) -> Entry:
        """The sink of that name. Raises NotFoundError where it is configured no more."""
        try:
            return self.entries[name]
        except KeyError:
            known = ", ".join(self.entries)
            raise NotFoundError(f"no sink {name!r} is configured", f"Configure it again, or use {known}.") from None

    def taking(self, verb: str, severity: str) -> tuple[Entry, ...]:
        """Those that take it, as configured."""
        return tuple(e for e in self.entries.values() if e.takes(verb, severity))


def _entry(one: SinkSettings, kinds: Mapping[str, SinkKind], settings: Settings) -> Entry:
    kind = kinds.get(one.kind)
    if kind is None:
        problem = f"the sink {one.name!r} is of kind {one.kind[:40]!r}, and there is none"
        raise BadInputError("settings", problem, f"Use one of: {', '.join(sorted(kinds))}.")
    if cannot := [v for v in one.verbs if v not in kind.verbs]:
        problem = f"the sink {one.name!r} ({one.kind}) cannot take {', '.join(cannot)}"
        raise BadInputError("settings", problem, f"It can take {', '.join(kind.verbs)}.")
    return Entry(one.name, kind.make(one, settings.home), one.verbs or kind.verbs, one.severities, one.person.strip())
