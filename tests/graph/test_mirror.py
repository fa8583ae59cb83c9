"""The mirror: folders and zips of OSV records, read once, and again only where they changed."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from graph_fleet import ADVISORY

from patchgap.errors import BadInputError
from patchgap.graph.mirror import Mirror, changes


def record(ident: str, fixed: str = "1.0", **more: Any) -> bytes:
    events = [{"introduced": "0"}, {"fixed": fixed}]
    block = {"package": {"ecosystem": "PyPI", "name": "a"}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
    return json.dumps({"id": ident, "affected": [block], **more}).encode()


def ids(advisories: Any) -> list[str]:
    return sorted(advisory.id for advisory in advisories)


def packed(path: Path, **members: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "-") + ".json", content)
        archive.writestr("modified_id.csv", "2026-01-01,A-1")


def test_a_folder_is_read_once_and_again_where_it_changed(tmp_path: Path) -> None:
    """JSON and YAML at any depth; a file that is new, changed, only touched, or gone; a bad one beside them."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "one.yaml").write_bytes(ADVISORY.read_bytes())
    (tmp_path / "a.json").write_bytes(record("A-1"))
    (tmp_path / "b.json").write_bytes(record("B-1"))
    (tmp_path / "bad.json").write_bytes(b'{"id": 7}')
    (tmp_path / "README.md").write_text("not a record")
    mirror = Mirror(tmp_path)
    first = mirror.refresh()
    assert ids(first.put) == ["A-1", "B-1", "PYSEC-2021-874"]
    assert [(one.what, "id is int" in one.reason) for one in first.bad] == [("bad.json", True)]
    again = mirror.refresh()
    assert (again.put, again.gone, again.unchanged, again.bad) == ((), (), 3, first.bad)
    (tmp_path / "a.json").write_bytes(record("A-1", fixed="2.0.0"))
    os.utime(tmp_path / "b.json", ns=(5, 5))
    (tmp_path / "c.json").write_bytes(record("C-1"))
    (tmp_path / "deep" / "er" / "one.yaml").unlink()
    (tmp_path / "bad.json").write_bytes(record("D-1"))
    third = mirror.refresh()
    assert (ids(third.put), ids(third.gone), third.bad) == (["A-1", "C-1", "D-1"], ["PYSEC-2021-874"], ())
    assert ids(mirror.index) == ["A-1", "B-1", "C-1", "D-1"]
    assert mirror.refresh().put == ()


def test_a_record_that_turns_bad_keeps_what_was_known_of_it(tmp_path: Path) -> None:
    """A half-written file takes nothing away, and is told at each refresh until it is mended."""
    (tmp_path / "a.json").write_bytes(record("A-1"))
    mirror = Mirror(tmp_path)
    mirror.refresh()
    (tmp_path / "a.json").write_bytes(record("A-1")[:40])
    for _ in range(2):
        done = mirror.refresh()
        assert [one.what for one in done.bad] == ["a.json"]
        assert ids(mirror.index) == ["A-1"]
    (tmp_path / "a.json").write_bytes(record("A-1"))
    assert ids(mirror.refresh().put) == ["A-1"]


def test_zips_are_read_by_member(tmp_path: Path) -> None:
    """One zip, or a folder of one an ecosystem: members that are new, changed or gone, and none of the others."""
    packed(tmp_path / "PyPI" / "all.zip", A_1=record("A-1"), B_1=record("B-1"), bad=b"{")
    packed(tmp_path / "npm" / "all.zip", C_1=record("C-1"))
    mirror = Mirror(tmp_path)
    first = mirror.refresh()
    assert (ids(first.put), [one.what for one in first.bad]) == (["A-1", "B-1", "C-1"], ["PyPI/all.zip!bad.json"])
    packed(tmp_path / "PyPI" / "all.zip", A_1=record("A-1"), B_1=record("B-1", fixed="3.0"))
    done = mirror.refresh()
    assert (ids(done.put), done.gone, done.unchanged, done.bad) == (["B-1"], (), 2, ())
    packed(tmp_path / "PyPI" / "all.zip", A_1=record("A-1"))
    assert ids(mirror.refresh().gone) == ["B-1"]
    alone = Mirror(tmp_path / "npm" / "all.zip")
    assert ids(alone.refresh().put) == ["C-1"]


def test_a_zip_that_breaks_takes_nothing_away(tmp_path: Path) -> None:
    """A zip half fetched: what it held before stands, and the break is told."""
    packed(tmp_path / "all.zip", A_1=record("A-1"))
    (tmp_path / "b.json").write_bytes(record("B-1"))
    mirror = Mirror(tmp_path)
    mirror.refresh()
    whole = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "all.zip").write_bytes(whole[:50])
    done = mirror.refresh()
    assert [one.what for one in done.bad] == ["all.zip"]
    assert (ids(mirror.index), done.gone) == (["A-1", "B-1"], ())
    (tmp_path / "all.zip").write_bytes(whole)
    assert (mirror.refresh().bad, ids(mirror.index)) == ((), ["A-1", "B-1"])


def test_a_member_that_swells_or_lies_is_refused_alone(tmp_path: Path) -> None:
    """A bomb, and a member whose bytes are not what its checksum says; the others go in."""
    packed(tmp_path / "all.zip", A_1=record("A-1"), bomb=b"{" + b" " * (9 * 1024 * 1024) + b"}")
    with zipfile.ZipFile(tmp_path / "all.zip", "a") as archive:
        archive.writestr("lie.json", record("L-1"))
    content = (tmp_path / "all.zip").read_bytes()
    (tmp_path / "all.zip").write_bytes(content.replace(b"L-1", b"L-2", 1))
    done = Mirror(tmp_path).refresh()
    assert ids(done.put) == ["A-1"]
    assert {one.what: one.reason for one in done.bad} == {
        "all.zip!bomb.json": "it is larger than 4 MiB. Name one OSV record.",
        "all.zip!lie.json": "it cannot be read: Bad CRC-32 for file 'lie.json'. Fetch the mirror again.",
    }


@pytest.mark.parametrize("kind", ["nothing", "an empty folder", "a zip that is none"])
def test_what_is_no_mirror_is_refused(tmp_path: Path, kind: str) -> None:
    """An empty mirror is not "no advisories": it is refused, with what to do."""
    path = tmp_path / "mirror"
    if kind == "an empty folder":
        path.mkdir()
    elif kind == "a zip that is none":
        path = tmp_path / "all.zip"
        path.write_bytes(b"PK nothing")
    with pytest.raises(BadInputError) as caught:
        Mirror(path).refresh()
    assert caught.value.fix


def test_a_store_may_keep_the_stamps(tmp_path: Path) -> None:
    """In another process the stamps that were kept say what is new."""
    (tmp_path / "a.json").write_bytes(record("A-1"))
    (tmp_path / "b.json").write_bytes(record("B-1"))
    kept = {change.source: change.stamp for change in changes(tmp_path, {}) if change.stamp}
    (tmp_path / "b.json").unlink()
    (tmp_path / "c.json").write_bytes(record("C-1"))
    found = {change.source: change.advisory and change.advisory.id for change in changes(tmp_path, kept)}
    assert found == {"b.json": None, "c.json": "C-1"}
