"""XML, streamed through expat, as foreign text has to be: whatever reads it sees one element after another.

Entity declarations are refused before any is expanded, external ones are never fetched; depth, the length of a tag and
the number of different names are bounded.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any
from xml.parsers import expat

from patchgap.errors import BadInputError

NAMESPACE = re.compile(r"https?://cyclonedx\.org/schema/bom/(\d+\.\d+)")
ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")  # in which a text is looked for before anything is parsed
_CHUNK = 1 << 16
_LONGEST = 1 << 20  # bytes of one tag or comment, which expat reads again with each chunk
_NAMES = 10_000  # of elements and attributes, which expat keeps


class Elements(ABC):
    """Expat's handlers. A reader says what it does at each start and end; names come as `namespace name`."""

    def __init__(self, where: str | Path) -> None:
        self._where = where
        self._names: dict[str, str] = {}
        self._parser = expat.ParserCreate(namespace_separator=" ", intern=self._names)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = self._entity
        self._parser.ExternalEntityRefHandler = self._entity
        self._parser.SkippedEntityHandler = self._skipped_entity

    def parse(self, content: bytes) -> None:
        """Raises BadInputError with line and column."""
        try:
            for start in range(0, len(content), _CHUNK):
                self._parser.Parse(content[start : start + _CHUNK], False)
                self._check_bounds(min(start + _CHUNK, len(content)))
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise self._refused(
                f"line {error.lineno}, column {error.offset + 1}: {expat.ErrorString(error.code)}"
            ) from error
        except (LookupError, ValueError) as error:  # an encoding that Python does not know
            raise self._refused(f"its encoding cannot be read: {error}") from error

    @abstractmethod
    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element starts."""

    @abstractmethod
    def _end(self, tag: str) -> None:
        """It ends."""

    def _refused(self, problem: str) -> BadInputError:
        return BadInputError(self._where, problem, "Correct the XML, or export it again.")

    def _entity(self, *_: Any) -> int:
        line = self._parser.CurrentLineNumber
        raise self._refused(f"line {line}: it declares an entity, which can grow without end")

    def _skipped_entity(self, name: str, _: bool) -> None:
        line = self._parser.CurrentLineNumber
        raise self._refused(f"line {line}: it uses the entity {name[:80]!r}, which it does not declare")

    def _check_bounds(self, parsed: int) -> None:
        """Refuses what costs more the further it goes on."""
        if parsed - self._parser.CurrentByteIndex > _LONGEST:
            raise self._refused(f"line {self._parser.CurrentLineNumber}: a tag or comment is longer than 1 MiB")
        if len(self._names) > _NAMES:
            raise self._refused(f"it has more than {_NAMES:,} different names of elements and attributes")
