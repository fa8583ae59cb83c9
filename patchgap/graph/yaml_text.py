"""YAML whose scalars are all text, as most advisories are, built from the C parser's events: a third of the loader's time.

What is anything else (a number, a time, a tag, a key twice, several documents) is left to the loader, so that the answer is
the loader's in any case. Anchors, aliases and depth are refused here, before anything is built by it.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.events import MappingEndEvent as _MappingEnd
from ruamel.yaml.nodes import ScalarNode

from patchgap.errors import BadInputError

_TEXT = "tag:yaml.org,2002:str"


def load(content: bytes, where: str, depth: int) -> Any:
    """The document. Raises BadInputError for anchors, aliases and more levels than `depth`; ruamel's errors, and Python's
    for values that are none, as its safe loader does."""
    builder = _Builder(where, depth)
    for event in YAML(typ="safe", pure=False).parse(content):
        builder.take(event)
    return YAML(typ="safe", pure=False).load(content) if builder.odd else builder.document


class _Builder:
    """What the events make so far. `odd` where the loader must do it."""

    def __init__(self, where: str, depth: int) -> None:
        self._where, self._depth = where, depth
        self._open: list[Any] = []  # containers that are not closed
        self._keys: list[Any] = []  # for each, the key that waits for its value; None in a list, and before a key
        self._documents = 0
        self.document: Any = None
        self.odd = False

    def take(self, event: Any) -> None:
        """One event."""
        if isinstance(event, ScalarEvent):
            self._check(event)
            is_text = event.style or (event.tag is None and _is_text(event.value))
            self.odd = self.odd or not is_text
            self._put(event.value)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._check(event)
            made: Any = {} if isinstance(event, MappingStartEvent) else []
            self._put(made)
            self._open.append(made)
            self._keys.append(None)
            if len(self._open) > self._depth:
                raise BadInputError(self._where, "it is nested too deeply", "Name one OSV record.")
        elif isinstance(event, _MappingEnd | SequenceEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, AliasEvent):
            self._check(event)
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            self.odd = self.odd or self._documents > 1 or bool(event.version or event.tags)

    def _check(self, event: Any) -> None:
        if event.anchor:
            raise BadInputError(self._where, "it uses a YAML anchor or alias", "Write the value out.")
        self.odd = self.odd or getattr(event, "tag", None) is not None

    def _put(self, value: Any) -> None:
        if not self._open:
            self.document = value
        elif isinstance(self._open[-1], list):
            self._open[-1].append(value)
        elif self._keys[-1] is None:
            if not isinstance(value, str) or value in self._open[-1]:
                self.odd = True  # the loader refuses the one, and takes or refuses the other
            self._keys[-1] = value if isinstance(value, str) else ""
        else:
            self._open[-1][self._keys[-1]] = value
            self._keys[-1] = None


@lru_cache(maxsize=1 << 16)
def _is_text(plain: str) -> bool:
    """Whether a scalar without quotes is text and no number, time, truth or nothing."""
    return bool(_resolver().resolve(ScalarNode, plain, (True, False)) == _TEXT)


@cache
def _resolver() -> Any:
    return YAML(typ="safe", pure=True).resolver
