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
        found = of_connection(connection)(f"SELECT {records.ROW} FROM graph_component")
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
        self.rng = random.Random(seed)
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
