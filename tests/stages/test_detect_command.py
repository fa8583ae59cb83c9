"""`patchgap detect`: one signal is one run, and what came of it is told by the exit code too. No server."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from click.testing import CliRunner, Result
from estate import BAD, World, envelope
from prefect.states import Completed, Failed

import flows.cli.detect as command
import flows.detect as flow
from flows.runtime import local
from flows.runtime.local import Ran
from patchgap import cli
from patchgap.cli import main
from patchgap.cli.context import Cli
from patchgap.model.signal import SignalId
from patchgap.stages import consent, detect
from patchgap.stages.engine import Engine
from patchgap.stages.incidents import open_incidents
from patchgap.stages.situation import state_of


@pytest.fixture
def asked(engine: Engine, world: World, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How each run was asked for; it joins the signal as the flow does, and every containment is partial."""
    runs: list[dict[str, Any]] = []

    def run(name: str, parameters: dict[str, str], _home: object, **how: Any) -> Ran:
        runs.append(how)
        state = flow.detect.fn(**parameters)
        return Ran(name, "run", state.type.value, state.message or "")

    world.runs("trainer", BAD)
    monkeypatch.setattr(cli, "Cli", partial(Cli, clock=world.clock))
    monkeypatch.setattr(local, "run", run)
    monkeypatch.setattr(command, "opened", lambda _context: engine)
    monkeypatch.setattr(flow, "engine", lambda: engine)
    monkeypatch.setattr(flow, "_join", lambda signal: detect.detect(engine, SignalId(signal)))
    monkeypatch.setattr(flow, "get_run_logger", partial(logging.getLogger, "test"))
    monkeypatch.setattr(flow.artifacts, "finding", lambda _found: None)
    monkeypatch.setattr(flow, "within", lambda *_: Failed(message="contain: PARTIAL: 1 failed"))
    return runs


def run(engine: Engine, who: str = "kim") -> Result:
    file = engine.settings.home / "advisory.json"
    file.write_text(json.dumps(envelope()["advisory"]))
    where = {"PATCHGAP_DATABASE_URL": engine.settings.database_url}
    words = ["--home", str(engine.settings.home), "detect", "--as", who, "--known-exploited"]
    words += ["--advisory", str(file)]
    return CliRunner().invoke(main, words, env=where)


def test_a_new_signal_is_asked_for_by_the_key_of_the_receiver(engine: Engine, asked: list[dict[str, Any]]) -> None:
    """So that the receiver, which starts what is stored, starts no second run."""
    run(engine)
    (asked_for,) = asked
    assert engine.inbox.get(SignalId(asked_for["once"])).state in {"opened", "joined"}
    assert asked_for["tags"] == (asked_for["once"],)


def test_who_reports_it_is_no_second_person(engine: Engine, asked: list[dict[str, Any]]) -> None:
    """Under an address that begins with that name neither; nobody is named, and nothing is asked for."""
    run(engine)
    (incident,) = open_incidents(engine)
    state = state_of(engine, incident)
    assert consent.requesters(state) == ("kim",)
    people = ("kim", "kim@example.org", "lee@example.org")
    assert replace(engine.consent, people=people).may_say_yes(state) == ("lee@example.org",)
    told = run(engine, who=" ")
    assert (told.exit_code, len(asked)) == (2, 1)
    assert "who reports it is not said" in told.stderr


def test_a_containment_that_is_not_whole_ends_as_one(engine: Engine, asked: list[dict[str, Any]]) -> None:
    """Exit 1 with what was not done; asked again, the incident that it joins is told with where it stands."""
    told = run(engine)
    assert told.exit_code == 1, told.output
    assert "contain: PARTIAL: 1 failed" in told.stdout
    joined = run(engine)
    assert joined.exit_code == 0
    assert joined.stdout.startswith("joined inc-")
    assert "Open: its scope is not known yet." in joined.stdout


def test_a_containment_that_is_whole_ends_with_0(
    engine: Engine, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although the incident waits for its proofs."""
    monkeypatch.setattr(flow, "within", lambda *_: Completed(message="1 target contained; open, awaiting proof"))
    assert run(engine).exit_code == 0
    assert len(asked) == 1
