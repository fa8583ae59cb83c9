"""Whether a version is affected, as OSV evaluates it. What cannot be compared is Unknown, never unaffected.

A block of an advisory is prepared once (its ranges become spans of keys, its enumerated versions a set) and then asked
about any number of versions. Knows nothing of names or of where a version runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from patchgap.graph.ecosystems import is_known, purl_type
from patchgap.graph.ordering import Key, bound_of, branch_of, has_order, is_semver, order_of, semver_bound_of, semver_of
from patchgap.model.signal import AffectedPackage, RangeEvent, VersionRange
from patchgap.model.unknown import Unknown

__all__ = ["affects", "is_another_everywhere", "is_known", "order_of", "prepared", "purl_type", "same"]

_START = "0"  # OSV: `introduced: "0"` is before every version
_ZERO = ("introduced", _START)
_RANK = {"fixed": 0, "introduced": 1, "last_affected": 2}  # of events at one version
_COMMITS = "the advisory names its commits, which order no versions"
_NOTHING = "the advisory names no versions"
_NO_VERSION = "its SBOM names no version"
_DIGIT = re.compile(r"[0-9]")
_PLAIN = re.compile(r"[vV]?[0-9]+(?:\.[0-9]+)*")


class Span(NamedTuple):
    """Versions from `start` on (None: before every version) and before `end`, or up to it where `inclusive`."""

    start: Any
    end: Any
    inclusive: bool

    def holds(self, at: Any) -> bool:
        """Whether the version with that key is within."""
        if self.start is not None and at < self.start:
            return False
        if self.end is None:
            return True
        return not self.end < at if self.inclusive else bool(at < self.end)

    def meets(self, first: Any, last: Any) -> bool:
        """Whether any place between the two is within."""
        return self.holds(first) or (self.start is not None and first < self.start and not last < self.start)


class Spans(NamedTuple):
    """A range, prepared: its spans, and the limits below one of which a version has to be (none: no limit). `other` is
    the same range in another order, for versions that this one does not know."""

    key: Key
    spans: tuple[Span, ...]
    limits: tuple[Any, ...]
    other: Spans | None = None

    def hold(self, version: str) -> bool:
        """Whether the range affects the version. Raises ValueError where that is none."""
        try:
            at = self.key(version)
        except ValueError:
            if self.other is None:
                raise
            return self.other.hold(version)
        if self.limits and not any(at < limit for limit in self.limits):
            return False
        return any(span.holds(at) for span in self.spans)


class Block:
    """One `affected` block, prepared. `doubts` are reasons for which it cannot tell of any version."""

    def __init__(self, package: AffectedPackage) -> None:
        self.name = package.name
        self.kind = purl_type(package.ecosystem)
        self.every = any(map(_is_every_version, package.ranges))
        self._texts = frozenset(package.versions)
        self._keys: Collection[Any] | None = None
        self._ranges: list[Spans] = []
        self.doubts: list[str] = []
        ordered = [one for one in package.ranges if one.type != "GIT"]
        for one in ordered:
            try:
                self._ranges.append(_prepared(one, self.kind))
            except (TypeError, ValueError) as error:
                self.doubts.append(f"it cannot be compared: {error}")
        if not ordered and package.ranges:
            self.doubts.append(_COMMITS)
        elif not ordered and not package.versions:
            self.doubts.append(_NOTHING)
        self._local = self.kind == "pypi" and not any("+" in one for one in _named(package))

    def affects(self, version: str) -> bool | Unknown:
        """Whether that version is in the enumerated ones or in any range."""
        if self.every:
            return True
        if not version:
            return Unknown(self.name, _NO_VERSION)
        doubts: list[str] = []
        for spelling in self._spellings(version):
            for verdict in self._verdicts(spelling):
                if verdict is True:
                    return True
                if isinstance(verdict, str):
                    doubts.append(verdict)
        doubts += self.doubts
        if not doubts and self._meets_branch(version):
            doubts.append("it is a branch, and what is affected lies on it")
        return Unknown(f"{self.name}@{version}", doubts[0]) if doubts else False

    def _spellings(self, version: str) -> tuple[str, ...]:
        """The version, and `1.13.0` for the local build `1.13.0+cu117` of it, which is affected where the release is;
        except where the advisory itself tells local builds apart."""
        public, plus, _ = version.partition("+")
        return (version, public) if plus and self._local else (version,)

    def _verdicts(self, version: str) -> Iterator[bool | str]:
        if version in self._texts:
            yield True
            return
        if not _DIGIT.search(version):
            yield f"it cannot be compared: {version!r} names no number"  # rpm and dpkg would order it; no release is called so
            return
        if self._texts:
            yield self._is_enumerated(version)
        for one in self._ranges:
            try:
                yield one.hold(version)
            except (TypeError, ValueError) as error:
                yield f"it cannot be compared: {error}"

    def _meets_branch(self, version: str) -> bool:
        """Whether some commit of the branch that the version names (`9.5.x-dev`) may be affected."""
        ends = branch_of(self.kind, version)
        if ends is None:
            return False
        own = [one if one.key is order_of(self.kind) else one.other for one in self._ranges]
        if any(span.meets(*ends) for one in own if one is not None for span in one.spans):
            return True
        return any(not at < ends[0] and not ends[1] < at for at in _keys(self.kind, self._texts))

    def _is_enumerated(self, version: str) -> bool | str:
        if not has_order(self.kind):
            return False
        if self._keys is None:
            self._keys = frozenset(_keys(self.kind, self._texts))
        try:
            return order_of(self.kind)(version) in self._keys
        except (TypeError, ValueError) as error:
            return f"it cannot be compared: {error}"


def affects(package: AffectedPackage, version: str) -> bool | Unknown:
    """Whether that version is in the enumerated ones or in any range. GIT ranges order no versions: where nothing
    else tells, and where the version cannot be compared, the answer is Unknown with its reason."""
    return prepared(package).affects(version)


@lru_cache(maxsize=1024)
def prepared(package: AffectedPackage) -> Block:
    """The block, ready to be asked; remembered while it is in use."""
    return Block(package)


def same(kind: str, held: str, other: str) -> bool | Unknown:
    """Whether two spellings are one version of that purl type (`1.6` and `1.6.0` on PyPI). Unknown where `held`, which
    comes from an SBOM, is no version there; where versions have no order, or `other` is none, equal texts alone are."""
    if held == other:
        return True
    if not has_order(kind):
        return False
    if not _DIGIT.search(held):
        return Unknown(held, f"it cannot be compared: {held!r} names no number")
    try:
        key = order_of(kind)(held)
    except (TypeError, ValueError) as error:
        return Unknown(held, f"it cannot be compared: {error}")
    try:
        asked = order_of(kind)(other)
    except (TypeError, ValueError):
        return False
    try:
        return bool(key == asked)
    except ValueError as error:
        return Unknown(held, f"it cannot be compared: {error}")


def is_another_everywhere(held: str, asked: str) -> bool:
    """Whether two versions differ in every ecosystem: both are plain dotted numbers, and no reading makes them one. Where
    either is anything else, that is not known."""
    readings = _readings(held), _readings(asked)
    return all(readings) and readings[0].isdisjoint(readings[1])


def _readings(version: str) -> frozenset[tuple[str, ...]]:
    """The numbers of a plain dotted version, zeros that say nothing aside; none where it is no such version. Perl reads
    `1.002003` as a decimal: v1.2.3."""
    if not _PLAIN.fullmatch(version):
        return frozenset()
    numbers = version.lstrip("vV").split(".")
    found = [numbers]
    if len(numbers) == 2 and version[0] not in "vV":  # noqa: PLR2004
        digits = numbers[1].ljust(-(-len(numbers[1]) // 3) * 3, "0")
        found.append([numbers[0], *(digits[n : n + 3] for n in range(0, len(digits), 3))])
    return frozenset(_trimmed(one) for one in found)


def _trimmed(numbers: Sequence[str]) -> tuple[str, ...]:
    bare = [one.lstrip("0") for one in numbers]
    while bare and not bare[-1]:
        bare.pop()
    return tuple(bare)


def _prepared(one: VersionRange, kind: str) -> Spans:
    """Raises ValueError where an event names no version. A SEMVER range over packages whose versions are others (PyPI's
    `1.0rc1`, NuGet's `1.2.3.4`) holds for those in their own order."""
    if one.type != "SEMVER":
        return _ordered(one, order_of(kind), bound_of(kind))
    own: Spans | None = None
    if not is_semver(kind):
        with suppress(TypeError, ValueError):
            own = _ordered(one, order_of(kind), bound_of(kind))
    try:
        return _ordered(one, semver_of(kind), semver_bound_of(kind))._replace(other=own)
    except ValueError:
        if own is None:
            raise
        return own


def _ordered(one: VersionRange, key: Key, bound: Key) -> Spans:
    limits = [event.version for event in one.events if event.kind == "limit"]
    return Spans(key, tuple(_spans(one, bound)), () if "*" in limits else tuple(map(bound, limits)))


def _spans(one: VersionRange, key: Key) -> Iterator[Span]:
    """OSV walks the events in order of version: what is introduced is affected until the next fix or last affected."""
    start: Any = None
    inside = False
    for event, at in _sorted(one, key):
        if event.kind == "introduced":
            start = start if inside else at
            inside = True
        elif inside:
            yield Span(start, at, event.kind == "last_affected")
            inside = False
    if inside:
        yield Span(start, None, False)


def _sorted(one: VersionRange, key: Key) -> Sequence[tuple[RangeEvent, Any]]:
    """Events with their keys; at the same version a fix comes before what is introduced, and a last affected after."""
    starts = [(event, None) for event in one.events if event.kind == "introduced" and event.version == _START]
    others = [(e, key(e.version)) for e in one.events if e.kind != "limit" and (e.kind, e.version) != _ZERO]
    return [*starts, *sorted(others, key=lambda pair: (pair[1], _RANK[pair[0].kind]))]


def _is_every_version(one: VersionRange) -> bool:
    """Whether the range starts before every version and never ends, as most malicious packages' does."""
    kinds = {event.kind for event in one.events}
    return one.type != "GIT" and kinds == {"introduced"} and any(event.version == _START for event in one.events)


def _keys(kind: str, versions: Collection[str]) -> Iterator[Any]:
    key = bound_of(kind)
    for one in versions:
        try:
            at = key(one)
            hash(at)
        except (TypeError, ValueError):
            continue  # equal texts alone are that version
        yield at


def _named(package: AffectedPackage) -> list[str]:
    return [*package.versions, *(event.version for one in package.ranges for event in one.events)]
