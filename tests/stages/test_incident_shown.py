"""`patchgap incident list`, `show` and `plan`: where an incident stands is told first, and in a screen."""

from __future__ import annotations

import json
from functools import partial

import pytest
from click.testing import CliRunner, Result
from estate import BAD, World, say_yes
from test_close import opened, verified

from patchgap import cli
from patchgap.cli import main
from patchgap.cli.context import Cli
from patchgap.model.workload import Classification
from patchgap.stages import contain
from patchgap.stages.engine import Engine


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """The command line has the estate's time."""
    monkeypatch.setattr(cli, "Cli", partial(Cli, clock=world.clock))


def run(engine: Engine, *words: str) -> Result:
    where = {"PATCHGAP_DATABASE_URL": engine.settings.database_url, "COLUMNS": "80"}
    told = CliRunner().invoke(main, ["--home", str(engine.settings.home), "incident", *words], env=where)
    assert told.exit_code == 0, told.output
    return told


def test_a_list_says_what_each_is_about_and_what_it_waits_for(engine: Engine, world: World) -> None:
    """By the name that everything else has for it, with its packages, severity and tiers; as fields too."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    made = contain.plan(engine, incident)
    told = run(engine, "list").stdout
    assert told.splitlines()[0].startswith(f"{incident}  2026-11-24 07:10:")
    assert "PYSEC-2021-874 · pytorch-lightning 1.5.2" in told
    assert "critical, known to be exploited · 1 workload of tier 2" in told
    (row,) = json.loads(run(engine, "list", "--json").stdout)
    assert (row["id"], row["status"], row["severity"], row["tiers"]) == (incident, "open", "critical", {"2": 1})
    assert row["waits"]["plan"] == made.digest


def test_a_plan_says_how_each_of_its_steps_stands(engine: Engine, world: World) -> None:
    """Done, waiting for a yes, or failed with its reason; `show` counts them and names what is left."""
    world.runs("trainer", BAD)
    world.runs("notebook", BAD, Classification.INTERNAL)
    world.runs("worker", BAD, Classification.INTERNAL)
    world.broken.add("worker")
    incident = opened(engine)
    made = contain.plan(engine, incident)

    def steps() -> list[str]:
        return [line.split(": ", 1)[1] for line in run(engine, "plan", incident).stdout.splitlines() if "hold" in line]

    def carry_out() -> None:
        for ready in contain.ready(engine, incident):
            for action in ready:
                contain.carry_out(engine, incident, action.id)

    assert steps() == ["not begun", "waits for a yes", "waits for a yes"]
    carry_out()
    assert steps() == ["done", "waits for a yes", "waits for a yes"]
    say_yes(engine, incident, made.digest)
    carry_out()
    assert sorted(steps()) == ["done", "done", "failed: worker did not answer. Wait."]
    told = run(engine, "show", incident).stdout
    assert "steps done: 2 of 3\n  hold c1/ns/Deployment/worker: failed: worker did not answer. Wait." in told


def test_what_is_proved_and_how_to_see_all_of_it(engine: Engine, world: World) -> None:
    """Each check with its mark; the story only where it is asked for, and then before how it stands."""
    world.runs("trainer", BAD)
    incident = opened(engine)
    contain.plan(engine, incident)
    assert not verified(engine, incident)
    told = run(engine, "show", incident).stdout
    assert "  ✗ gone\n  ✗ quiet\n" in told
    assert "includes" not in told
    story = run(engine, "show", incident, "--story").stdout
    assert story.index("includes") < story.index("proofs, as judged at")
    assert len(story.splitlines()) > len(told.splitlines())
