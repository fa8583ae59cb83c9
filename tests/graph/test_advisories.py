"""What a mirror's advisories touch is kept as a run from scratch finds it, whatever changes in whichever order."""

from __future__ import annotations

import json
import os
import random
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from graph_fleet import NOW, bom

from patchgap.errors import BadInputError
from patchgap.graph import records
from patchgap.graph.advisories import Advisories, Refreshed
from patchgap.graph.advisory import parse_advisory
from patchgap.graph.index import judge_all
from patchgap.graph.matching import Row, judge
from patchgap.graph.question import Question
from patchgap.graph.reading import of_connection
from patchgap.graph.store import Graph

PURLS = [
    "pkg:pypi/torch@1.5.0", "pkg:pypi/torch@2.1.0", "pkg:pypi/Py_Torch@soon", "pkg:npm/torch@1.2.0", "pkg:conda/torch@1.5.0",
    "pkg:golang/example.org/m/v2@v2.1.0", "pkg:golang/example.org/m@1.0.0", "pkg:generic/openssl@1.0.0", "torch",
    "pkg:deb/debian/libssl3@1.0.0-1?distro=debian-12&upstream=openssl", "pkg:deb/ubuntu/openssl@1.0-1?distro=jammy",
    "pkg:apk/alpine/openssl@1.0.0-r1?distro=alpine-3.18.2", "pkg:maven/org.x/torch@1.5.0",
]  # fmt: skip
PACKAGES = [
    ("PyPI", "torch"), ("PyPI", "py-torch"), ("npm", "torch"), ("Go", "example.org/m"), ("Debian:12", "openssl"),
    ("Ubuntu:22.04:LTS", "openssl"), ("Alpine:v3.18", "openssl"), ("Maven", "org.x:torch"), ("Bitnami", "openssl"),
]  # fmt: skip
Kept = dict[tuple[str, int], tuple[str, str]]


def record(ident: str, *packages: tuple[str, str], fixed: str = "2.0.0", **more: Any) -> bytes:
    events = [{"introduced": "0"}, {"fixed": fixed}]
    blocks = [
        {"package": {"ecosystem": ecosystem, "name": name}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}
        for ecosystem, name in packages
    ]
    return json.dumps({"id": ident, "affected": blocks, **more}).encode()


def kept(engine: sa.Engine, mirror: Path) -> Kept:
    """By the record's source and the component: the standing and its reason."""
    with engine.connect() as connection:
        rows = of_connection(connection)(
            "SELECT a.source, m.component_id, m.standing, m.reason FROM graph_advisory_match m JOIN graph_advisory a"
            " ON a.id = m.advisory_id JOIN graph_mirror r ON r.id = a.mirror_id WHERE r.path = :path",
            {"path": records.key_of(mirror)},
        )
    return {(source, component): (standing, reason) for source, component, standing, reason in rows}


def pairs(engine: sa.Engine, sources: dict[str, bytes]) -> dict[tuple[str, int], str]:
    """What judging every record against every component says."""
    with engine.connect() as connection:
        found = of_connection(connection)(f"SELECT {records.ROW} FROM graph_component")  # noqa: S608  (our own columns)  # noqa: S608  (our own columns)
    read = {source: parse_advisory(content, source) for source, content in sources.items()}
    return {
        (source, row.id): match.standing.value
        for source, one in read.items()
        if one.withdrawn is None
        for row in (Row(*columns) for columns in found)
        if (match := judge(Question.of_advisory(one), row))
    }


class Desk:
    """A mirror that changes at random, and the records that can be read of it, by source, as they last could."""

    def __init__(self, folder: Path, graph: Graph, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311  (a test's order)
        self.folder, self.graph = folder, graph
        self.known: dict[str, bytes] = {}
        self.boms = 0
        self.write()

    def step(self) -> None:
        deeds = (self.write, self.write, self.zip, self.delete, self.touch, self.spoil, self.sbom, self.sbom)
        self.rng.choice(deeds)()

    def one(self) -> tuple[str, bytes]:
        n = self.rng.randrange(6)
        more = {"withdrawn": "2026-01-01T00:00:00Z"} if self.rng.random() < 0.2 else {}
        packages = self.rng.sample(PACKAGES, self.rng.randrange(4))
        aliases = self.rng.sample(["CVE-1", "CVE-2", "X-1", "a\0b"], 2)
        fixed = self.rng.choice(["1.4.0", "2.0.0", "3.0.0", "later"])
        return f"{n}.json", record(f"X-{n}", *packages, fixed=fixed, aliases=aliases, **more)

    def write(self) -> None:
        name, content = self.one()
        self.put(name, content)
        self.known[name] = content

    def put(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)
        os.utime(self.folder / name, ns=(1, self.rng.randrange(1 << 60)))

    def zip(self) -> None:
        members = [self.one() for _ in range(self.rng.randrange(1, 4))]
        with zipfile.ZipFile(self.folder / "all.zip", "w") as archive:
            for name, content in members:
                archive.writestr(zipfile.ZipInfo(name), content)
        self.known = {name: one for name, one in self.known.items() if not name.startswith("all.zip!")}
        self.known |= {f"all.zip!{name}": content for name, content in members}

    def file(self) -> Path | None:
        files = sorted(self.folder.glob("*.json"))
        return self.rng.choice(files) if files else None

    def delete(self) -> None:
        file = self.file()
        if file and len(list(self.folder.iterdir())) > 1:
            file.unlink()
            self.known.pop(file.name, None)

    def touch(self) -> None:
        if file := self.file():
            self.put(file.name, file.read_bytes())

    def spoil(self) -> None:
        """What was read of it stands; what nobody read before it was spoilt is not known."""
        if file := self.file():
            Advisories(self.graph._engine, self.folder).refresh(NOW)
            self.put(file.name, b'{"id": 7}')

    def sbom(self) -> None:
        self.boms += 1
        held = self.rng.sample(PURLS, 3)
        self.graph.add_sbom(bom(*held, digest=f"sha256:{self.boms:064x}", name=str(self.boms)), NOW)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("seed", range(4))
def test_what_is_kept_is_what_a_run_from_scratch_finds(
    engine: sa.Engine, graph: Graph, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records written, packed, withdrawn, spoilt, touched and gone, and SBOMs, in any order, read after some of them; in
    transactions of any size. Judging every pair says the same, and so does a second mirror that is read at once."""
    (tmp_path / "osv").mkdir()
    desk = Desk(tmp_path / "osv", graph, seed)
    monkeypatch.setattr("patchgap.graph.advisories._RECORDS", 2)
    monkeypatch.setattr(records, "_COMPONENTS", 2)
    monkeypatch.setattr(records, "_VALUES", 3)
    for _ in range(8):
        for _ in range(desk.rng.randrange(1, 5)):
            desk.step()
        Advisories(engine, desk.folder).refresh(NOW)
        found = kept(engine, desk.folder)
        assert {pair: standing for pair, (standing, _) in found.items()} == pairs(engine, desk.known)
    assert Advisories(engine, desk.folder).refresh(NOW) == Refreshed()
    spoilt = [one.name for one in desk.folder.glob("*.json") if one.read_bytes() == b'{"id": 7}']
    (tmp_path / "again").symlink_to(desk.folder)
    Advisories(engine, tmp_path / "again").refresh(NOW)
    readable = {pair: told for pair, told in found.items() if pair[0] not in spoilt}
    assert kept(engine, tmp_path / "again") == readable


def test_a_new_component_is_judged_without_reading_the_mirror(
    engine: sa.Engine, graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record whose file is as it was is not parsed again, and a component that was there is not judged again."""
    (tmp_path / "a.json").write_bytes(record("A-1", ("PyPI", "torch")))
    (tmp_path / "b.json").write_bytes(record("B-1", ("npm", "torch")))
    graph.add_sbom(bom("pkg:pypi/torch@1.5.0"), NOW)
    mirror = graph.advisories(tmp_path)
    assert mirror.refresh(NOW) == Refreshed(changed=2)
    graph.add_sbom(bom("pkg:pypi/torch@1.5.0", "pkg:npm/torch@1.0.0", name="y"), NOW)
    judged: list[Row] = []
    monkeypatch.setattr("patchgap.graph.mirror.parse_advisory", lambda *_: pytest.fail("it was read again"))
    monkeypatch.setattr(
        records, "judge_all", lambda index, rows: judge_all(index, [judged.append(r) or r for r in rows])
    )
    assert mirror.refresh(NOW) == Refreshed(components=1)
    assert [one.purl for one in judged] == ["pkg:npm/torch@1.0.0"]
    assert sorted(source for source, _ in kept(engine, tmp_path)) == ["a.json", "b.json"]


def test_a_match_is_known_since_it_was_found(engine: sa.Engine, graph: Graph, tmp_path: Path) -> None:
    """A record that changes keeps the time of the matches that it had."""
    (tmp_path / "a.json").write_bytes(record("A-1", ("PyPI", "torch"), fixed="2.0.0"))
    graph.add_sbom(bom("pkg:pypi/torch@1.5.0", "pkg:pypi/torch@2.1.0"), NOW)
    graph.advisories(tmp_path).refresh(NOW)
    (tmp_path / "a.json").write_bytes(record("A-1", ("PyPI", "torch"), fixed="2.2.0.0"))
    graph.advisories(tmp_path).refresh(NOW + timedelta(hours=1))
    with engine.connect() as connection:
        found = sorted(row[0] for row in connection.execute(sa.text("SELECT found_at FROM graph_advisory_match")))
    assert found == ["2026-11-24T07:10:00.000000Z", "2026-11-24T08:10:00.000000Z"]


def test_other_rules_judge_everything_anew(
    engine: sa.Engine, graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer patchgap does not answer with what an older one thought, and a stop halfway does not make it."""
    for name in "abc":
        (tmp_path / f"{name}.json").write_bytes(record(name, ("PyPI", "torch")))
    graph.add_sbom(bom("pkg:pypi/torch@1.5.0"), NOW)
    graph.advisories(tmp_path).refresh(NOW)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE graph_advisory_match SET standing = 'unknown'"))
    assert graph.advisories(tmp_path).refresh(NOW) == Refreshed()
    monkeypatch.setattr("patchgap.graph.records.rules", lambda: "others")
    monkeypatch.setattr("patchgap.graph.advisories.rules", lambda: "others")
    with monkeypatch.context() as stopped:
        stopped.setattr("patchgap.graph.advisories._RECORDS", 1)
        store, left = records.Records.store, [1]
        stopped.setattr(records.Records, "store", lambda *given: store(*given) if left.pop() else None)
        with pytest.raises(IndexError):
            graph.advisories(tmp_path).refresh(NOW)
    assert graph.advisories(tmp_path).refresh(NOW) == Refreshed(changed=2)
    assert {standing for standing, _ in kept(engine, tmp_path).values()} == {"affected"}


def test_a_mirror_that_is_not_there_takes_nothing_away(engine: sa.Engine, graph: Graph, tmp_path: Path) -> None:
    """A folder that is gone, or is empty for want of its mount, is refused, and what is known stays."""
    mirror = tmp_path / "osv"
    for n in range(2):
        with pytest.raises(BadInputError, match="there is no mirror"):
            graph.advisories(mirror).refresh(NOW)
        mirror.mkdir()
        if n == 0:
            (mirror / "a.json").write_bytes(record("A-1", ("PyPI", "torch")))
            graph.add_sbom(bom("pkg:pypi/torch@1.5.0"), NOW)
            graph.advisories(mirror).refresh(NOW)
            (mirror / "a.json").unlink()
            with pytest.raises(BadInputError, match="holds no OSV record"):
                graph.advisories(mirror).refresh(NOW)
            mirror.rmdir()
    assert len(kept(engine, mirror)) == 1
