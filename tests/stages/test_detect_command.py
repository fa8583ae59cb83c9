"""`patchgap detect`: one signal is one run, and what came of it is told by the exit code too. No server."""

from __future__ import annotations

import json
import logging
import os
import pwd
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
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


def run(engine: Engine) -> Result:
    file = engine.settings.home / "advisory.json"
    file.write_text(json.dumps(envelope()["advisory"]))
    where = {"PATCHGAP_DATABASE_URL": engine.settings.database_url}
    words = ["--home", str(engine.settings.home), "detect", "--known-exploited", "--advisory", str(file)]
    return CliRunner().invoke(main, words, env=where)


def test_a_new_signal_is_asked_for_by_the_key_of_the_receiver(engine: Engine, asked: list[dict[str, Any]]) -> None:
    """So that the receiver, which starts what is stored, starts no second run; a document that came before is looked
    at again, by a run of its own."""
    run(engine)
    run(engine)
    first, again = asked
    assert engine.inbox.get(SignalId(first["key"])).state in {"opened", "joined"}
    assert first["tags"] == (first["key"],)
    assert again["key"] == ""


def test_who_types_it_asks_for_the_plan(
    engine: Engine, asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the machine knows them, whatever a variable says: their own yes, under an address too, does not count."""
    known = SimpleNamespace(pw_name="kim")
    monkeypatch.setattr(pwd, "getpwuid", {os.getuid(): known}.__getitem__)
    monkeypatch.setenv("LOGNAME", "lee")
    run(engine)
    (incident,) = open_incidents(engine)
    state = state_of(engine, incident)
    assert consent.requesters(state) == ("kim",)
    people = ("kim", "kim@example.org", "lee@example.org")
    assert replace(engine.consent, people=people).may_say_yes(state) == ("lee@example.org",)
    assert len(asked) == 1


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
