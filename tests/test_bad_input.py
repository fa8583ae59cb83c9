"""Broken files through the command line: one error that names the file, exit code 2, and the database as it was.

The mutations are seeded: a failure is the same failure tomorrow.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from integrations.kubernetes.kubeconfig import client_of
from patchgap.cli import main
from patchgap.cli.context import Cli
from patchgap.errors import PatchgapError

SEED, EACH = 20261124, 40
HERE = Path(__file__).parent
A, B = "a" * 64, "b" * 64
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.5",
    "metadata": {
        "component": {
            "type": "container",
            "name": "registry.example.org/ml/app",
            "version": f"sha256:{A}",
            "bom-ref": "root",
            "purl": f"pkg:oci/app@sha256:{A}",
        }
    },
    "components": [
        {"type": "library", "name": "a", "version": "1.0", "purl": "pkg:pypi/a@1.0", "bom-ref": "a"},
        {"type": "library", "name": "b", "version": "2", "purl": "pkg:npm/b@2", "components": [{"name": "c"}]},
    ],
    "dependencies": [{"ref": "root", "dependsOn": ["a"]}],
}
PURL = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl"}
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "SPDXID": "SPDXRef-DOCUMENT",
    "packages": [
        {
            "name": "app",
            "SPDXID": "SPDXRef-app",
            "externalRefs": [{**PURL, "referenceLocator": f"pkg:oci/app@sha256:{A}"}],
        },
        {"name": "a", "SPDXID": "SPDXRef-a", "externalRefs": [{**PURL, "referenceLocator": "pkg:pypi/a@1.0"}]},
    ],
    "relationships": [
        {
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": "SPDXRef-app",
        }
    ],
}
ADVISORY = {
    "id": "PYSEC-2021-874",
    "modified": "2023-05-25T05:07:00Z",
    "aliases": ["CVE-2021-4118"],
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "a"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.6.0"}]}],
            "versions": ["1.0"],
        }
    ],
}
KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "hunter2-the-token"}}],
}
PROVENANCE = json.loads(next((HERE / "data/graph/provenance").glob("*.json")).read_bytes())
PLAYBOOK = YAML(typ="safe", pure=True).load(HERE.parent / "playbooks" / "compromised-dependency.yaml")
ODD: list[Any] = [10**400, -1, 0, True, None, [], {}, "", "\0", "../../x", "x" * 100_000, [[]], {"a": {}}, float("nan")]


def as_json(document: Any) -> bytes:
    return json.dumps(document, indent=1).encode()


def as_yaml(document: Any) -> bytes:
    written, yaml = io.BytesIO(), YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(document, written)
    return written.getvalue()


KINDS: dict[str, tuple[Any, Callable[[Any], bytes], str, tuple[str, ...]]] = {
    "CycloneDX": (CYCLONEDX, as_json, "x.json", ("graph", "add")),
    "SPDX": (SPDX, as_json, "x.json", ("graph", "add")),
    "provenance": (PROVENANCE, as_json, "x.json", ("graph", "add")),
    "advisory": (ADVISORY, as_json, "x.json", ("exposure", "--json", "--advisory")),
    "advisory in YAML": (ADVISORY, as_yaml, "x.yaml", ("exposure", "--json", "--advisory")),
    "playbook": (PLAYBOOK, as_yaml, "compromised-dependency.yaml", ("playbook", "check")),
}


def mutations(document: Any, write: Callable[[Any], bytes]) -> Iterator[bytes]:
    chance = random.Random(SEED)  # noqa: S311  (the same mutations each time are the point)
    raw = write(document)
    for _ in range(EACH // 2):
        yield _bytes_broken(raw, chance)
        yield write(_value_broken(document, chance))


def _bytes_broken(raw: bytes, chance: random.Random) -> bytes:
    at, to = sorted((chance.randrange(len(raw)), chance.randrange(len(raw))))
    return chance.choice(
        [
            raw[:at],
            raw[:at] + raw[to:],
            raw[:at] + b"\0\0" + raw[at:],
            raw[:at] + chance.randbytes(4) + raw[at + 4 :],
            raw + raw,
            raw.decode().encode("utf-16"),
            b"\xef\xbb\xbf" + raw,
            raw.replace(b"\n", b"\r"),
            raw.replace(b"\n", b"\r\n"),
            b"[" * 100_000,
            b'{"a":' * 100_000,
            b"\x1f\x8b" + raw,
            gzip.compress(raw)[: chance.randrange(10, 100)],
            chance.randbytes(300),
            b"",
        ]
    )


def _value_broken(document: Any, chance: random.Random) -> Any:
    """One value is gone, of another kind, another place's, or deep."""
    changed = json.loads(json.dumps(document))
    places = list(_places(changed))
    holder, key = chance.choice(places)
    other, name = chance.choice(places)
    deep: Any = "x"
    for _ in range(chance.choice([20, 150])):
        deep = {"a": deep} if chance.random() < 0.5 else [deep]
    swapped = json.loads(json.dumps(other[name]))
    holder[key] = chance.choice([chance.choice(ODD), chance.choice(ODD), swapped, deep])
    if chance.random() < 0.2:
        del holder[key]
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *words])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data folder whose graph holds one image."""
    good = tmp_path / "good.json"
    good.write_bytes(as_json(CYCLONEDX).replace(A.encode(), B.encode()))
    assert run(tmp_path, "graph", "add", str(good)).exit_code == 0
    return tmp_path


def held(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "patchgap.db")) as raw:
        return list(raw.iterdump())


@pytest.mark.parametrize("kind", KINDS)
def test_the_unbroken_document_is_taken(home: Path, kind: str) -> None:
    """What is mutated below is sound before."""
    document, write, name, words = KINDS[kind]
    (home / name).write_bytes(write(document))
    assert run(home, *words, str(home / name)).exit_code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_file_is_one_error_with_its_name_and_writes_nothing(home: Path, kind: str) -> None:
    """Whatever is broken: taken, or exit code 2 with the file named in bounded words; never a crash, never a part."""
    document, write, name, words = KINDS[kind]
    file, refused = home / name, 0
    for n, content in enumerate(mutations(document, write)):
        file.write_bytes(content)
        before = held(home)
        ran = run(home, *words, str(file))
        assert ran.exit_code in (0, 2), (n, ran.output)
        if ran.exit_code == 2:
            refused += 1
            assert str(file) in ran.stdout + ran.stderr, (n, ran.output)
            assert "Traceback" not in ran.output
            assert len(ran.stderr) < 2_000, n
            assert held(home) == before, n
    assert refused > EACH // 3  # else the mutations break nothing


def test_one_bad_file_among_many_is_named_and_the_others_go_in(home: Path) -> None:
    """A folder of sound and broken SBOMs: each broken one is a line on stderr, each sound one is in the graph."""
    folder = home / "sboms"
    folder.mkdir()
    for n in range(5):
        (folder / f"good-{n}.json").write_bytes(as_json(CYCLONEDX).replace(A.encode(), f"{n}".encode() * 64))
        (folder / f"bad-{n}.json").write_bytes(as_json(CYCLONEDX)[: 60 * (n + 1)])
    ran = run(home, "graph", "add", "--json", str(folder))
    told = json.loads(ran.stdout)
    assert ran.exit_code == 2
    assert [Path(one["file"]).name for one in told["failed"]] == [f"bad-{n}.json" for n in range(5)]
    assert [one["digest"] for one in told["sboms"]] == [f"sha256:{n}" + f"{n}" * 63 for n in range(5)]
    assert all(f"bad-{n}.json: " in ran.stderr for n in range(5))


def test_a_broken_kubeconfig_is_one_error_without_its_credentials(home: Path) -> None:
    """Named by a flag: the file is in the error, the token is not."""
    file = home / "kubeconfig"
    refusals = []
    for content in mutations(KUBECONFIG, as_yaml):
        file.write_bytes(content)
        try:
            (cluster,) = Cli(home=home, kubeconfig=file, environ={}).settings().kubernetes.clusters
            client_of(cluster)
        except PatchgapError as error:
            refusals.append(str(error))
    assert len(refusals) > EACH // 3
    assert [said for said in refusals if str(file) not in said or "hunter2" in said] == []


@pytest.mark.parametrize("content", [b"[" * 50_000, b"a: 2001-99-99"])
def test_a_kubeconfig_that_a_parser_dies_of_ends_in_words(tmp_path: Path, content: bytes) -> None:
    """In a process of its own, since what is held off here is a segmentation fault."""
    file = tmp_path / "kubeconfig"
    file.write_bytes(content)
    words = ["--home", str(tmp_path), "--kubeconfig", str(file), "incident", "list"]
    ran = subprocess.run(  # noqa: S603  (our own command)
        [sys.executable, "-c", "from patchgap.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.startswith(f"patchgap: {file}: ")
    assert len(ran.stderr.splitlines()) == 1
