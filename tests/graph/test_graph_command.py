"""`patchgap graph add`: files and folders, one bad file among many, and the exit code."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from graph_fleet import DATA, IMAGE, digest_of, sbom

from patchgap.cli import main

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), "graph", "add", *words])


def exposed(home: Path, what: str) -> dict[str, Any]:
    told = CliRunner().invoke(main, ["--home", str(home), "exposure", what, "--json"])
    document: dict[str, Any] = json.loads(told.stdout)
    return document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good files in folders, one of them with gzip, and what is no JSON."""
    found = tmp_path / "sboms"
    (found / "deep").mkdir(parents=True)
    shutil.copy(sbom("trainer-v2"), found / "trainer.cdx.json")
    (found / "deep" / "alpine.cdx.json.gz").write_bytes(sbom("alpine").read_bytes())
    shutil.copy(DATA / "provenance" / "kube-slsa-v1.25.1.json", found / "kube.intoto.json")
    (found / "notes.txt").write_text("not an SBOM")
    return found


def test_files_that_fail_alike_are_named_together(tmp_path: Path) -> None:
    """Sorted, with the fix once; what was stored already is told when it is added again."""
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": []}')
        (tmp_path / f"{name}.md").write_text("read me")
    told = run(tmp_path, str(tmp_path))
    assert (told.exit_code, told.stderr.splitlines()) == (2, [
        "patchgap: 2 files: it does not say which image it describes: it names no digest",
        f"  {tmp_path / 'a.json'}",
        f"  {tmp_path / 'b.json'}",
        "  Name the image: patchgap graph add FILE --artifact REPOSITORY@sha256:<digest>.",
        "0 went in; 2 did not (2 other files skipped): 2 (it does not say which image it",
        "  describes: it names no digest).",
    ])  # fmt: skip
    words = (str(DATA / "sboms" / "memcached.spdx.json.gz"), "--artifact", f"registry.example.org/cache@{IMAGE}")
    assert "stored already" not in run(tmp_path, *words).stdout
    assert "1 SBOM was stored already: nothing was written for it." in run(tmp_path, *words).stdout


def test_what_a_folder_holds_besides_is_counted_and_named_where_it_resembles_a_document(
    tmp_path: Path, folder: Path
) -> None:
    """Its README is nothing to warn of; other JSON may be a document that went wrong."""
    assert run(tmp_path, str(folder)).stderr.splitlines() == ["1 other file skipped; --json names each"]
    (folder / "package.json").write_text('{"name": "x"}')
    told = run(tmp_path, str(folder))
    assert told.stderr.startswith(f"patchgap: skipped {folder / 'package.json'}: it has neither")
    assert "notes.txt" not in told.stderr
    assert told.stderr.splitlines()[-1] == "2 other files skipped; --json names each"


def test_a_fix_of_several_reasons_is_told_once(tmp_path: Path) -> None:
    """And the last line counts each reason, the most frequent first."""
    for name, text in {"a": "read me", "b": "[]", "c": "[]"}.items():
        (tmp_path / f"{name}.cdx.json").write_text(text)
    told = run(tmp_path, str(tmp_path)).stderr
    assert told.count("Name an SBOM (") == 1
    assert told.splitlines()[-2:] == [
        "0 went in; 3 did not: 2 (it is a JSON list, and an SBOM is an object), 1 (it is",
        "  neither JSON nor XML nor tag-value).",
    ]


def test_vex_that_is_stored_already_says_so(tmp_path: Path) -> None:
    """As an SBOM does."""
    about = {"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:npm/a@1"}], "status": "affected"}
    document = {"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/1", "statements": [about]}
    (tmp_path / "vex.json").write_text(json.dumps(document))
    said = [run(tmp_path, str(tmp_path / "vex.json")).stdout.rstrip() for _ in range(2)]
    assert said == [f"{tmp_path / 'vex.json'}: VEX (openvex), 1 statement{more}" for more in ("", ", stored already")]


def test_a_folder_is_walked_and_each_file_told_by_its_content(tmp_path: Path, folder: Path) -> None:
    """SBOMs and provenance go in, whatever they are called; one JSON document says what went in."""
    told = run(tmp_path, str(folder), "--json")
    assert told.exit_code == 0
    document = json.loads(told.stdout)
    assert {one["digest"] for one in document["sboms"]} == {digest_of("trainer-v2"), digest_of("alpine")}
    assert [one["edges"] for one in document["sboms"]] == [False, True]
    assert [(len(one["digests"]), one["commit"][:7]) for one in document["provenance"]] == [(3, "9ea33a8")]
    assert document["failed"] == []
    assert [(Path(one["file"]).name, one["reason"]) for one in document["skipped"]] == [
        ("notes.txt", "it is neither JSON nor XML nor tag-value")
    ]


def test_one_bad_file_is_named_and_the_others_go_in(tmp_path: Path, folder: Path) -> None:
    """Exit 2, the bad ones on stderr with their fix, the good ones stored; words say how many did not go in."""
    (folder / "bad.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"name": 7}]}')
    (folder / "half.json.gz").write_bytes(gzip.compress(b"{}" * 999)[:-9])
    (folder / "nodigest.json").write_text('{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": []}')
    told = run(tmp_path, str(folder), str(tmp_path / "nowhere.json"))
    assert told.exit_code == 2
    for problem in (
        "bad.json: components[0].name: Expected `str`",
        "half.json.gz: its gzip stream",
        "nodigest.json: it does not say which image it describes",
        "--artifact REPOSITORY@sha256:<digest>",
        "nowhere.json: it is not a file",
        "3 went in; 4 did not (1 other file skipped): 1 (it is not a file), 1 (",
    ):
        assert problem in " ".join(told.stderr.split())
    assert "Traceback" not in told.output
    assert f"{digest_of('trainer-v2')}" in told.stdout
    assert json.loads(run(tmp_path, str(folder), "--json").stdout)["failed"][0]["fix"]


def test_an_empty_folder_is_named_and_the_others_go_in(tmp_path: Path, folder: Path) -> None:
    """A folder without a document is one more that failed."""
    (tmp_path / "empty").mkdir()
    told = run(tmp_path, str(tmp_path / "empty"), str(folder), "--json")
    assert told.exit_code == 2
    document = json.loads(told.stdout)
    assert (len(document["sboms"]), len(document["failed"])) == (2, 1)


def test_a_folder_of_other_files_says_that_nothing_went_in(tmp_path: Path, folder: Path) -> None:
    """Exit 0, as nothing failed; but a folder that was named by mistake is not passed over in silence."""
    other = tmp_path / "advisories"
    other.mkdir()
    (other / "PYSEC-2021-874.yaml").write_text("id: PYSEC-2021-874\n")
    told = run(tmp_path, str(other))
    assert (told.exit_code, told.stdout) == (0, "")
    assert "Nothing went in" in told.stderr
    assert "Nothing went in" not in run(tmp_path, str(other), str(folder)).stderr


def test_bad_files_leave_what_was_there(tmp_path: Path, folder: Path) -> None:
    """After a run of failures the store answers as before."""
    run(tmp_path, str(folder / "trainer.cdx.json"))
    before = exposed(tmp_path, "pytorch-lightning")
    (folder / "bad.json").write_text('{"bomFormat": "CycloneDX"')
    assert run(tmp_path, str(folder / "bad.json")).exit_code == 2
    after = exposed(tmp_path, "pytorch-lightning")
    assert (before["exposures"], before["unknown"]) == (after["exposures"], after["unknown"])


def test_an_artifact_and_a_commit_are_named_by_flag(tmp_path: Path) -> None:
    """An SBOM that names no digest takes --artifact, and its commit --commit; adding it again changes nothing."""
    words = (str(DATA / "sboms" / "memcached.spdx.json.gz"), "--artifact", f"registry.example.org/cache@{IMAGE}")
    for _ in range(2):
        told = run(tmp_path, *words, "--commit", COMMIT, "--json")
        assert told.exit_code == 0
    (one,) = json.loads(told.stdout)["sboms"]
    assert (one["digest"], one["repository"], one["packages"]) == (IMAGE, "registry.example.org/cache", 100)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["trainer.cdx.json", "deep", "--artifact", f"a@{IMAGE}"], "it stands for one image, and 2 files were named"),
        (["trainer.cdx.json", "deep", "--commit", COMMIT], "it stands for one image, and 2 files were named"),
        (["trainer.cdx.json", "--artifact", "a:latest"], "'a:latest' names no digest"),
        (["kube.intoto.json", "--artifact", f"a@{IMAGE}"], "name their own artifacts"),
    ],
)
def test_flags_that_do_not_fit_are_refused(tmp_path: Path, folder: Path, words: list[str], problem: str) -> None:
    """One error, exit 2, nothing stored."""
    told = run(tmp_path, *(str(folder / one) if (folder / one).exists() else one for one in words))
    assert told.exit_code == 2
    assert problem in told.stderr
    assert "packages" not in told.stdout


def test_words_say_what_went_in(tmp_path: Path, folder: Path) -> None:
    """Each SBOM with its image, whether it has edges; each provenance with its commit."""
    told = run(tmp_path, str(folder)).stdout
    assert "packages, with dependency edges (CycloneDX 1.5)" in told
    assert "without dependency edges" in told
    assert "provenance of 3 digests, commit 9ea33a8d02b38a2ac996f4328e7b1449f2cbc888" in told
