"""The matcher against every record of the PyPA advisory database: what each enumerates, and what its ranges say of it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace

import pytest
from graph_fleet import DATA
from packaging.version import InvalidVersion, Version

from patchgap.graph.versions import Block
from patchgap.model.signal import AffectedPackage, RangeEvent, VersionRange
from patchgap.model.unknown import Unknown

FILE = DATA / "osv-pypi.jsonl.gz"


@pytest.fixture(scope="module")
def blocks() -> list[tuple[str, AffectedPackage]]:
    """Each record's blocks, with its id."""
    found = []
    for line in gzip.decompress(FILE.read_bytes()).splitlines():
        record = json.loads(line)
        for block in record["affected"]:
            ranges = tuple(
                VersionRange(one["type"], tuple(RangeEvent(*next(iter(e.items()))) for e in one["events"]))
                for one in block["ranges"]
            )
            versions = tuple(block["versions"])
            found.append((record["id"], AffectedPackage(block["ecosystem"], block["name"], ranges, versions)))
    return found


def test_every_enumerated_version_is_affected(blocks: list[tuple[str, AffectedPackage]]) -> None:
    """Of each record, whatever its ranges say of it: OSV takes the two together."""
    assert len({name for name, _ in blocks}) == 2661
    checked = 0
    for name, package in blocks:
        block = Block(package)
        for version in package.versions:
            assert block.affects(version) is True, (name, version)
            checked += 1
    assert checked == 140_847


def test_ranges_and_enumerated_versions_agree_as_far_as_the_records_do(
    blocks: list[tuple[str, AffectedPackage]],
) -> None:
    """The ranges alone say the same of 140,729 versions; 108 are none by PEP 440, and 9 lie outside their own record's
    ranges. OSV counts all of them as affected."""
    counted = Counter[str]()
    for _, package in blocks:
        if not package.versions or not any(one.type == "ECOSYSTEM" for one in package.ranges):
            continue
        block = Block(replace(package, versions=()))
        for version in package.versions:
            verdict = block.affects(version)
            counted["unknown" if isinstance(verdict, Unknown) else str(verdict)] += 1
    assert counted == {"True": 140_729, "unknown": 108, "False": 9}


def test_ranges_say_what_packaging_says(blocks: list[tuple[str, AffectedPackage]]) -> None:
    """Every enumerated version and every bound of every record, asked of an independent reading of its ranges."""
    asked = 0
    for name, package in blocks:
        bare = replace(package, versions=(), ranges=tuple(one for one in package.ranges if one.type == "ECOSYSTEM"))
        if not bare.ranges or any(event.kind == "limit" for one in bare.ranges for event in one.events):
            continue
        block = Block(bare)
        if block.doubts:
            assert not all(parsed(event.version) for one in bare.ranges for event in one.events)
            continue
        texts = {*package.versions, *(event.version for one in bare.ranges for event in one.events)}
        for text in texts:
            version = parsed(text)
            if version is None:
                assert block.every or isinstance(block.affects(text), Unknown)
                continue
            asked += 1
            assert block.affects(text) is any(contains(one, version) for one in bare.ranges), (name, text)
    assert asked > 100_000


def parsed(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def contains(one: VersionRange, version: Version) -> bool:
    """By intervals and specifiers, not by a walk over events. A local build is affected where its release is."""
    events = sorted((Version(event.version), event.kind) for event in one.events)
    spellings = [version, Version(version.public)]
    for n, (start, kind) in enumerate(events):
        if kind != "introduced":
            continue
        end = next(((at, how) for at, how in events[n + 1 :] if how != "introduced"), None)
        for spelling in spellings:
            after = start == Version("0") or spelling >= start
            if after and (end is None or spelling < end[0] or (end[1] == "last_affected" and spelling == end[0])):
                return True
    return False
