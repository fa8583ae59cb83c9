"""The commands `ledger`, `evidence` and `metrics`, as a script or a person runs them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from made import Telling

from patchgap.cli import _told, main
from patchgap.errors import RefusedError
from patchgap.model.finding import IncidentId


@pytest.fixture
def incident(telling: Telling) -> IncidentId:
    return telling.whole()


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *words])


def test_a_whole_ledger_verifies(tmp_path: Path, incident: IncidentId) -> None:
    """Exit 0 for all chains and for one."""
    assert (run(tmp_path, "ledger", "verify").exit_code, run(tmp_path, "ledger", "verify", incident).exit_code) == (
        0,
        0,
    )
    assert json.loads(run(tmp_path, "ledger", "verify", "--json").stdout) == {
        "holds": True,
        "incidents": 1,
        "problems": [],
    }


def test_a_broken_ledger_names_each_break(tmp_path: Path, incident: IncidentId) -> None:
    """Exit 1 with incident, entry and what is wrong, and one JSON document with the same."""
    with closing(sqlite3.connect(tmp_path / "patchgap.db")) as raw:
        raw.executescript("UPDATE entry SET actor = 'nobody' WHERE seq = 3; UPDATE incident SET opened_at = 'soon'")
    told = run(tmp_path, "ledger", "verify")
    assert told.exit_code == 1
    assert f"{incident} entry 3: its hash does not match its content" in told.stdout
    document = json.loads(run(tmp_path, "ledger", "verify", incident, "--json").stdout)
    assert [p["seq"] for p in document["problems"]] == [3, 0]
    assert run(tmp_path, "metrics").exit_code == 2


def test_an_unknown_incident_is_bad_input(tmp_path: Path) -> None:
    """Exit 2 with the way to find the right one, and no traceback."""
    for words in (("ledger", "verify", "inc-none"), ("evidence", "export", "inc-none")):
        told = run(tmp_path, *words)
        assert told.exit_code == 2
        assert "`patchgap incident list --all` names them all" in told.stderr


def test_evidence_goes_out_and_is_verified(tmp_path: Path, incident: IncidentId) -> None:
    """Exported to stdout and to a file alike; verified with the own key and with the public one."""
    file = tmp_path / "evidence.json"
    assert run(tmp_path, "evidence", "export", incident, "--output", str(file)).exit_code == 0
    assert run(tmp_path, "evidence", "export", incident).stdout == file.read_text()
    public = tmp_path / "keys" / "evidence.ed25519.pub"
    assert run(tmp_path, "evidence", "verify", str(file)).exit_code == 0
    assert run(tmp_path / "elsewhere", "evidence", "verify", str(file), "--key", str(public)).exit_code == 0
    assert json.loads(run(tmp_path, "evidence", "verify", str(file), "--json").stdout)["whole"] is True


def test_a_changed_bundle_does_not_verify(tmp_path: Path, incident: IncidentId) -> None:
    """Exit 1 naming the broken signature."""
    file = tmp_path / "evidence.json"
    envelope = json.loads(run(tmp_path, "evidence", "export", incident).stdout)
    file.write_text(json.dumps({**envelope, "payloadType": "text/plain"}))
    told = run(tmp_path, "evidence", "verify", str(file))
    assert told.exit_code == 1
    assert "changed after signing" in told.stdout


def test_without_a_key_or_a_file_it_says_what_to_name(tmp_path: Path, incident: IncidentId) -> None:
    """Exit 2: no signing key here, no such file, no place to write to."""
    file = tmp_path / "evidence.json"
    run(tmp_path, "evidence", "export", incident, "--output", str(file))
    for home, words, fix in (
        (tmp_path / "elsewhere", ("evidence", "verify", str(file)), "--key"),
        (tmp_path, ("evidence", "verify", str(tmp_path / "none")), "a bundle that patchgap exported"),
        (tmp_path, ("evidence", "export", incident, "--output", str(tmp_path / "no" / "folder")), "another file"),
    ):
        told = run(home, *words)
        assert told.exit_code == 2
        assert fix in told.stderr


def test_the_measures_are_words_and_one_document(tmp_path: Path, incident: IncidentId) -> None:
    """`metrics` prints sentences; `--json` one document with seconds."""
    assert "time to contain, tier 1: 1 min" in run(tmp_path, "metrics").stdout
    document = json.loads(run(tmp_path, "metrics", "--json").stdout)
    assert document["closed"] == 1
    assert document["to_contain"]["1"]["median"] > 60


def test_a_refusal_for_several_reasons_lists_them() -> None:
    """One a line within 80 columns, and then what to do; as one sentence it has them too."""
    reasons = tuple(
        f"freeze_deployments on prod/training/Deployment/{name} stays: no answer" for name in ("one", "two")
    )
    error = RefusedError("it is not dismissed", "Dismiss again.", reasons)
    assert str(error) == f"it is not dismissed: {'; '.join(reasons)}. Dismiss again."
    assert _told(error).splitlines() == [
        "patchgap: it is not dismissed:",
        f"  - {reasons[0]}",
        f"  - {reasons[1]}",
        "  Dismiss again.",
    ]
    assert _told(RefusedError("it is closed", "See its report.")) == "patchgap: it is closed. See its report."
