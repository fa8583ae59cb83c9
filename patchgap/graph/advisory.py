"""OSV advisories, JSON and YAML, read into `Advisory`.

An advisory is foreign text: sizes and depth are bounded, YAML anchors and aliases are refused, and every field that the
engine decides by is checked by type. Knows nothing of which packages run here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from patchgap.errors import BadInputError
from patchgap.graph import cvss
from patchgap.graph.documents import MAX_DEPTH, content_digest, depth_of, parse_json, read_bytes
from patchgap.model.signal import Advisory, AffectedPackage, RangeEvent, Severity, VersionRange

MAX_BYTES = 4 * 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}", re.ASCII)  # it becomes names, tags and a ticket's title
_EVENTS = ("introduced", "fixed", "last_affected", "limit")
_RANGES = ("SEMVER", "ECOSYSTEM", "GIT")
_LABELS = {"moderate": Severity.MEDIUM, "important": Severity.HIGH, **{s.value: s for s in Severity}}


def read_advisory(path: Path) -> Advisory:
    """The advisory in that file, JSON or YAML, told by its content. Raises BadInputError."""
    if path.is_dir():
        fix = "Name the file of one; `patchgap advisories FOLDER` asks for all that a folder holds."
        raise BadInputError(path, "it is a folder, and one advisory is asked for", fix)
    return parse_advisory(read_bytes(path, MAX_BYTES), str(path))


def parse_advisory(document: Mapping[str, Any] | bytes | str, where: str) -> Advisory:
    """The advisory. A mapping is a document that was parsed already (a webhook's). Raises BadInputError naming `where`
    and the field."""
    if isinstance(document, Mapping):
        from patchgap.model.codec import canonical

        if depth_of(document) > MAX_DEPTH:
            raise BadInputError(where, "it is nested too deeply", "Send the OSV record alone.")
        try:
            return _Reader(where).advisory(document, content_digest(canonical(document)))
        except TypeError as error:
            raise BadInputError(where, str(error), "Send plain JSON.") from error
    content = document.encode() if isinstance(document, str) else document
    if len(content) > MAX_BYTES:
        raise BadInputError(where, f"it is larger than {MAX_BYTES // 1024 // 1024} MiB", "Name one OSV record.")
    parsed = parse_json(content, where) if content.lstrip()[:1] == b"{" else _yaml(content, where)
    return _Reader(where).advisory(parsed, content_digest(content))


def _yaml(content: bytes, where: str) -> Mapping[str, Any]:
    from ruamel.yaml.error import YAMLError

    from patchgap.graph import yaml_text  # imported late, as above: JSON needs none of it

    try:
        parsed = yaml_text.load(content, where, MAX_DEPTH)
    except (YAMLError, ValueError, LookupError, TypeError) as error:  # the latter for `!!bool x` and its like
        first = " ".join(str(error).split())[:200]
        raise BadInputError(where, f"it is neither JSON nor YAML: {first}", "Name an OSV record.") from error
    if not isinstance(parsed, dict):
        raise BadInputError(where, "it is not a mapping", "Name an OSV record, with `id` and `affected`.")
    return parsed


class _Reader:
    """Reads one record; knows where it came from, so that every refusal names the field."""

    def __init__(self, where: str) -> None:
        self._where = where

    def advisory(self, record: Mapping[str, Any], digest: str) -> Advisory:
        ident = self._text(record, "id")
        if not ident:
            raise self._bad("id", "is missing", "Name an OSV record: it starts with its `id`.")
        if not _ID.fullmatch(ident):
            raise self._bad("id", "is no identifier", "Write letters, digits and . _ : + - alone, 128 at most.")
        affected = tuple(
            self._affected(block, f"affected[{n}]") for n, block in enumerate(self._list(record, "affected"))
        )
        names = self._strings(record, "aliases")
        return Advisory(
            id=ident,
            digest=digest,
            affected=tuple(block for block in affected if block is not None),
            aliases=tuple(
                n for n in names if _ID.fullmatch(n)
            ),  # what is none would join incidents that it is not about
            summary=self._text(record, "summary"),
            details=self._text(record, "details"),
            published=self._time(record, "published"),
            modified=self._time(record, "modified"),
            withdrawn=self._time(record, "withdrawn"),
            severity=self._severity(record),
            malicious=any(name.startswith("MAL-") for name in (ident, *names)),
            references=tuple(
                self._text(self._mapping(r, f"references[{n}]"), "url")
                for n, r in enumerate(self._list(record, "references"))
            ),
        )

    def _affected(self, block: Any, field: str) -> AffectedPackage | None:
        block = self._mapping(block, field)
        if block.get("package") is None:
            return None  # a record may describe a repository alone; it names nothing that an SBOM lists
        package = self._mapping(block["package"], f"{field}.package")
        name, ecosystem = self._text(package, "name", field), self._text(package, "ecosystem", field)
        if not name or not ecosystem:
            raise self._bad(f"{field}.package", "names no name or no ecosystem", "Name both, as OSV does.")
        ranges = self._list(block, "ranges", field)
        return AffectedPackage(
            ecosystem=ecosystem,
            name=name,
            ranges=tuple(self._range(one, f"{field}.ranges[{n}]") for n, one in enumerate(ranges)),
            versions=tuple(self._strings(block, "versions", field)),
        )

    def _range(self, one: Any, field: str) -> VersionRange:
        one = self._mapping(one, field)
        kind = self._text(one, "type", field)
        if kind not in _RANGES:
            raise self._bad(f"{field}.type", f"{kind[:80]!r} is not one of {', '.join(_RANGES)}", "Correct it.")
        events: list[RangeEvent] = []
        for n, event in enumerate(self._list(one, "events", field)):
            event = self._mapping(event, f"{field}.events[{n}]")  # noqa: PLW2901  (checked, the same value)
            found = [(key, event[key]) for key in _EVENTS if key in event]
            if len(found) != 1 or not isinstance(found[0][1], str) or not found[0][1]:
                raise self._bad(
                    f"{field}.events[{n}]",
                    f"is not one of {', '.join(_EVENTS)} with a version",
                    "Quote the version.",
                )
            events.append(RangeEvent(*found[0]))
        if not any(event.kind == "introduced" for event in events):
            raise self._bad(f"{field}.events", "has no `introduced`", 'Add {"introduced": "0"} or the version.')
        return VersionRange(kind, tuple(events))

    def _severity(self, record: Mapping[str, Any]) -> Severity:
        """The worst that anything in the record states; UNKNOWN where nothing does."""
        stated = [*self._vectors(record, "severity"), *self._labels(record)]
        for n, block in enumerate(self._list(record, "affected")):
            stated += [*self._vectors(block, f"affected[{n}].severity"), *self._labels(block)]
        known = [one for one in stated if one is not Severity.UNKNOWN]
        return max(known, key=[*Severity].index) if known else Severity.UNKNOWN

    def _vectors(self, record: Mapping[str, Any], field: str) -> Iterable[Severity]:
        for n, one in enumerate(self._list(record, "severity")):
            score = self._text(self._mapping(one, f"{field}[{n}]"), "score")
            yield _LABELS.get(score.lower()) or cvss.severity(score)

    def _labels(self, record: Mapping[str, Any]) -> Iterable[Severity]:
        for name in ("database_specific", "ecosystem_specific"):
            specific = record.get(name)
            label = specific.get("severity") if isinstance(specific, Mapping) else None
            if isinstance(label, str):
                yield _LABELS.get(label.lower(), Severity.UNKNOWN)

    def _text(self, record: Mapping[str, Any], key: str, under: str = "") -> str:
        value = record.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._bad(_join(under, key), f"is {type(value).__name__}, not text", "Quote it.")
        return value

    def _list(self, record: Mapping[str, Any], key: str, under: str = "") -> list[Any]:
        value = record.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._bad(_join(under, key), f"is {type(value).__name__}, not a list", "Write a list.")
        return value

    def _strings(self, record: Mapping[str, Any], key: str, under: str = "") -> list[str]:
        values = self._list(record, key, under)
        for n, value in enumerate(values):
            if not isinstance(value, str):
                raise self._bad(f"{_join(under, key)}[{n}]", f"is {type(value).__name__}, not text", "Quote it.")
        return values

    def _mapping(self, value: Any, field: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self._bad(field, f"is {type(value).__name__}, not an object", "Write an object.")
        return value

    def _time(self, record: Mapping[str, Any], key: str) -> datetime | None:
        value = record.get(key)
        if value is None:
            return None
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
        except (TypeError, ValueError, OverflowError) as error:
            raise self._bad(key, "is not a time", "Write it as 2021-12-23T18:15:00Z.") from error

    def _bad(self, field: str, problem: str, fix: str) -> BadInputError:
        return BadInputError(self._where, f"{field} {problem}", fix)


def _join(under: str, key: str) -> str:
    return f"{under}.{key}" if under else key
