"""YAML 1.2 text as plain values, each with the place it stands at; what YAML can do beyond that is refused.

Owns reading: size, depth, duplicate keys, anchors, aliases, tags, directives, second documents, empty values. Knows
nothing of the playbook language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from patchgap.playbook.problems import Problem

BYTES = 65_536
DEPTH = 16
NODES = 5_000

Path = tuple[str | int, ...]

_INT = re.compile(r"[-+]?(0|[1-9][0-9]{0,14})", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,3})?|[-+]?[0-9]+e[-+]?[0-9]{1,3}", re.ASCII | re.IGNORECASE
)
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Span:
    """From line and column to line and column, all counted from 0; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass
class Source:
    """What was read. `values` and `keys` give the span of the value, and of its key, at a path."""

    file: str
    lines: list[str]
    document: Any = None
    values: dict[Path, Span] = field(default_factory=dict)
    keys: dict[Path, Span] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    scalars: set[Path] = field(default_factory=set)
    empty: set[Path] = field(default_factory=set)  # without a value: a problem already, so no other is told of them

    def line(self, number: int) -> str:
        """That line's text, from 0; "" beyond the end."""
        return self.lines[number] if number < len(self.lines) else ""

    def span(self, path: Path) -> Span:
        """The value at the path, or at the nearest path above it that is written."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Span(0, 0, 0, 0))

    def refuse(self, span: Span, what: str, suggestion: str = "", corrected: str = "") -> None:
        """Notes a problem at the start of the span."""
        self.problems.append(Problem(self.file, span.line + 1, span.column + 1, what, suggestion, corrected))

    def replaced(self, span: Span, text: str) -> str:
        """The span's first line with the span as `text`; the line's end goes where the span runs on below."""
        line = self.line(span.line)
        rest = line[span.end_column :] if span.end_line == span.line else ""
        return line[: span.column] + text + rest

    def without(self, key: Span, value: Span) -> str:
        """The key's line without the entry: cut out of a flow mapping, made a comment in a block (with its dash,
        where it is all that its list's member holds); "" where the entry goes on in the lines below."""
        line = self.line(key.line)
        before = line[: key.column]
        if not before.strip(" -"):
            if value.line > key.line:
                return ""
            follows = self.line(key.line + 1)
            alone = len(follows) - len(follows.lstrip()) != key.column
            at = before.index("-") if "-" in before and alone else key.column
            return f"{line[:at]}# {line[at:]}"
        end = value.end_column if value.end_line == key.line else len(line)
        cut = re.sub(r"[,\s]+$", "", before) + re.sub(r"^\s*,\s*", ", ", line[end:])
        return re.sub(r"([{\[]),\s*", r"\1", cut)


class _Stopped(Exception):  # noqa: N818  (no error of a user's: the problem is noted already)
    """Reading cannot go on."""


@dataclass(frozen=True, slots=True)
class Sort:
    """What is read, in the words of its problems: `a NOUN starts with STARTS`; and how large it may be."""

    noun: str
    starts: str
    bytes: int
    nodes: int


PLAYBOOK = Sort("playbook", "`playbook: NAME`", BYTES, NODES)


def read(text: str, file: str, sort: Sort = PLAYBOOK) -> Source:
    """The text's one document. Whatever is wrong is in `problems`; `document` is None where reading stopped."""
    source = Source(file, text.splitlines())
    if len(text.encode("utf-8", "surrogatepass")) > sort.bytes:
        larger = f"the file is larger than {sort.bytes // 1024} KiB; split it into several {sort.noun}s"
        source.refuse(Span(0, 0, 0, 0), larger)
        return source
    from ruamel.yaml import YAML  # imported late: most commands read no playbook
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        reader = _Reader(source, sort, iter(YAML(typ="safe", pure=True).parse(text)))
        source.document = reader.document()
    except _Stopped:
        source.document = None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Span(mark.line, mark.column, mark.line, mark.column) if mark else Span(0, 0, 0, 0)
        said = _first_line(error.problem or error.context or "it cannot be read")
        source.refuse(at, f"this is not YAML: {said}; {_likely(source.line(at.line), said)}")
    except (YAMLError, ValueError, RecursionError) as error:
        source.refuse(Span(0, 0, 0, 0), f"this is not YAML: {_first_line(str(error))}")
    return source


def _likely(line: str, said: str) -> str:
    """What to look at, by what the parser stumbled over."""
    if "\t" in line:
        return "write spaces in place of the tab"
    if "mapping values" in said:
        return "put text that holds a colon in quotes, and check the indentation"
    if "quoted" in said or "end of stream" in said:
        return "close the quotation mark"
    return "check the brackets and the indentation of this line and the one above"


def _first_line(text: str) -> str:
    return text.splitlines()[0][:160] if text else "it cannot be read"


class _Reader:
    """Turns events into values. Events come one at a time, so that what is refused is never expanded."""

    def __init__(self, source: Source, sort: Sort, events: Iterator[Any]) -> None:
        self.source = source
        self.sort = sort
        self.events = events
        self.nodes = 0

    def document(self) -> Any:
        next(self.events)  # the stream's start
        start = next(self.events)
        if type(start).__name__ == "StreamEndEvent":
            self._stop(start, f"the file is empty; a {self.sort.noun} starts with {self.sort.starts}")
        if start.version or start.tags:
            line = next((n for n, text in enumerate(self.source.lines) if text.startswith("%")), 0)
            self.source.refuse(Span(line, 0, line, 0), f"a {self.sort.noun} takes no YAML directive; remove this line")
            raise _Stopped
        value = self._value(next(self.events), ())
        next(self.events)  # the document's end
        after = next(self.events)
        if type(after).__name__ != "StreamEndEvent":
            self._stop(after, f"a second document starts here; a file holds one {self.sort.noun}", comment=True)
        return value

    def _stop(self, event: Any, what: str, *, comment: bool = False) -> None:
        span = _span(event)
        line = self.source.line(span.line)
        self.source.refuse(span, what, corrected=f"# {line}" if comment and line else "")
        raise _Stopped

    def _value(self, event: Any, path: Path) -> Any:
        self._admit(event, path)
        kind = type(event).__name__
        if kind == "ScalarEvent":
            self.source.values[path] = _span(event)
            self.source.scalars.add(path)
            return self._scalar(event, path)
        made, end = self._mapping(path) if kind == "MappingStartEvent" else self._sequence(path)
        begin, stop = _span(event), _span(end)
        self.source.values[path] = Span(begin.line, begin.column, stop.end_line, stop.end_column)
        return made

    def _admit(self, event: Any, path: Path) -> None:
        self.nodes += 1
        if type(event).__name__ == "AliasEvent":
            self._stop(event, f"an alias (*{event.anchor}) stands for something else; write the value out")
        if event.anchor is not None:
            self._unwanted(event, f"&{event.anchor}", "an anchor is not taken")
        if event.tag is not None:
            self._unwanted(event, str(event.tag), "a tag is not taken")
        if len(path) > DEPTH:
            self._stop(
                event, f"this is nested deeper than {DEPTH} levels; a {self.sort.noun} never is; write it flatter"
            )
        if self.nodes > self.sort.nodes:
            many = f"the file holds more than {self.sort.nodes} values; split it into several {self.sort.noun}s"
            self._stop(event, many)

    def _unwanted(self, event: Any, mark: str, what: str) -> None:
        span = _span(event)
        line = self.source.line(span.line)
        corrected = re.sub(r"\s*(?<!\S)[&!]\S*", "", line[span.column :])
        self.source.refuse(
            span,
            f"{what} ({mark}); write the value alone",
            corrected=(line[: span.column] + corrected.lstrip()).rstrip(),
        )

    def _scalar(self, event: Any, path: Path) -> Any:
        text: str = event.value
        if event.style not in (None, ""):
            return text
        if text in _NULLS:
            return self._nothing(event, path)
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        return text

    def _nothing(self, event: Any, path: Path) -> str:
        self.source.empty.add(path)
        key = self.source.keys.get(path)
        span = key or _span(event)
        name = f"`{path[-1]}`" if path and key else "this entry"
        corrected = self.source.without(span, span if key and event.value == "" else _span(event))
        self.source.refuse(span, f"{name} has no value; give it one or remove the line", corrected=corrected)
        return ""

    def _sequence(self, path: Path) -> tuple[list[Any], Any]:
        made: list[Any] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            made.append(self._value(event, (*path, len(made))))
        return made, event

    def _mapping(self, path: Path) -> tuple[dict[str, Any], Any]:
        made: dict[str, Any] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            key = self._key(event)
            if key not in made:
                self.source.keys[(*path, key)] = _span(event)
                made[key] = self._value(next(self.events), (*path, key))
                continue
            first = self.source.keys[(*path, key)].line + 1
            inner = (*path, f"{key} (again at {event.start_mark.line})")
            self._value(next(self.events), inner)
            corrected = self.source.without(_span(event), self.source.values[inner])
            self.source.refuse(
                _span(event), f"`{key}` stands twice, here and in line {first}; keep one", corrected=corrected
            )
        return made, event

    def _key(self, event: Any) -> str:
        if type(event).__name__ != "ScalarEvent":
            self._stop(event, "a key must be a plain word")
        self._admit(event, ())
        text: str = event.value
        if text == "<<" and not event.style:
            self._stop(event, "a merge key (<<) is not taken; write the keys out")
        return text


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line, start.column, end.line, end.column)
