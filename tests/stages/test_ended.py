"""What is asked of an incident that has ended is answered by where it stands, and changes nothing."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result
from estate import BAD, MEND, World
from test_close import contained, opened, verified

import flows.cli.consent as consent_commands
import flows.cli.incident as incident_commands
from patchgap.cli import main
from patchgap.errors import RefusedError
from patchgap.model.evidence import Verdict
from patchgap.model.finding import IncidentId
from patchgap.model.workload import Classification
from patchgap.stages import contain, recover, verify
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of


def run(engine: Engine, *words: str) -> Result:
    where = {"PATCHGAP_DATABASE_URL": engine.settings.database_url}
    return CliRunner().invoke(main, ["--home", str(engine.settings.home), "incident", *words], env=where)


def said(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.fixture
def closed(engine: Engine, world: World) -> IncidentId:
    world.runs("trainer", BAD)
    incident = contained(engine)
    world.runs("trainer", MEND)
    world.verdict = Verdict.PASS
    verified(engine, incident)
    for control in recover.releases(engine, incident):
        recover.release(engine, incident, control.intent.action.id)
    verified(engine, incident)
    recover.close(engine, incident)
    return incident


def test_closing_again_says_so_and_where_the_report_is(engine: Engine, closed: IncidentId) -> None:
    """Exit 0 without a run, and the ledger as it was; `recover` answers the same."""
    head = state_of(engine, closed).head
    for command in ("close", "recover"):
        told = run(engine, command, closed)
        assert told.exit_code == 0, told.output
        assert f"{closed} was closed at 2026-11-24 07:10 UTC" in said(told)
        assert "report.html" in said(told)
    assert state_of(engine, closed).head == head


def test_what_has_nothing_left_to_do_is_no_failure(
    engine: Engine, closed: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduled round may have closed it a moment ago: exit 0 with since when and the report, no flow is started."""
    monkeypatch.setattr(incident_commands, "run_flow", lambda *_, **__: pytest.fail("a flow was started"))
    head = state_of(engine, closed).head
    for words in (("contain", closed), ("contain", closed, "--plan"), ("verify", closed)):
        told = run(engine, *words)
        assert told.exit_code == 0, told.output
        assert f"{closed} was closed at 2026-11-24 07:10 UTC" in said(told)
        assert "report.html" in said(told)
    assert state_of(engine, closed).head == head


def test_containing_what_was_dismissed_is_refused(engine: Engine, world: World) -> None:
    """Everything was released: a script that asks for containment must not read it as done."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    recover.dismiss(engine, incident, "test traffic", "dana")
    for verb in ("contain", "verify"):
        assert run(engine, verb, incident).exit_code == 1


def test_what_would_change_a_closed_incident_is_one_refusal(
    engine: Engine, closed: IncidentId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since when it is closed and where its report is, exit 1 as any refusal, before a flow is started or a code asked."""
    monkeypatch.setattr(incident_commands, "run_flow", lambda *_, **__: pytest.fail("a flow was started"))
    monkeypatch.setattr(consent_commands, "_code", lambda _file: pytest.fail("a code was asked for"))
    why, who = ("--why", "x"), ("--as", "dana")
    report = str(engine.settings.home / "incidents" / closed / "report.html")
    for words in (
        ("approve", closed, "--plan", "sha256:" + "a" * 64),
        ("decline", closed, "--plan", "sha256:" + "a" * 64, *why),
        ("break-glass", closed, "--for", "1h", *why, *who),
        ("patch", closed, "--image", f"r/trainer@{MEND}", *who),
        ("waive", closed, "--check", "gone", "--for", "1h", *why, *who),
    ):
        told = run(engine, *words)
        assert (told.exit_code, told.stdout) == (1, ""), words
        assert told.stderr.count("\n") == 1, words
        assert f"{closed} was closed at 2026-11-24 07:10 UTC" in told.stderr
        assert report in told.stderr


def test_a_run_on_a_closed_incident_is_refused_at_once(engine: Engine, closed: IncidentId) -> None:
    """So that a form in Prefect's UI, which asks no command, is refused too, and nothing is recorded."""
    head = state_of(engine, closed).head
    for stage in (contain.plan, verify.checks, recover.close):
        with pytest.raises(RefusedError, match=f"{closed} was closed at"):
            stage(engine, closed)
    assert state_of(engine, closed).head == head


def test_what_is_closed_is_not_dismissed(engine: Engine, closed: IncidentId, world: World) -> None:
    """Exit 1 with where its report is found, and no release is tried."""
    calls = list(world.calls)
    told = run(engine, "dismiss", closed, "--why", "none", "--as", "dana")
    assert told.exit_code == 1
    assert "closed on its evidence; what is closed is not dismissed" in said(told)
    assert world.calls == calls


def test_dismissing_again_says_who_did(engine: Engine, world: World) -> None:
    """Exit 0, nothing is done; closing it says the same and where its report is."""
    world.runs("trainer", BAD)
    incident = contained(engine)
    recover.dismiss(engine, incident, "test traffic", "dana")
    again = run(engine, "dismiss", incident, "--why", "none", "--as", "lee")
    assert again.exit_code == 0
    assert "dismissed already, by dana: test traffic" in said(again)
    told = run(engine, "close", incident)
    assert told.exit_code == 0
    assert "was dismissed at 2026-11-24 07:10 UTC by dana: test traffic" in said(told)


def test_an_answer_to_the_plan_of_an_ended_incident_is_refused(engine: Engine, world: World) -> None:
    """Neither yes nor no, and the code that was given is good still."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    plan = contain.plan(engine, incident)
    recover.dismiss(engine, incident, "test traffic", "dana")
    (code,) = engine.consent.approvers.issue("dana", "admin")
    file = engine.settings.home / "code"
    file.write_text(code)
    for words in (("approve",), ("decline", "--why", "no")):
        told = run(engine, *words, incident, "--plan", plan.digest, "--code-file", str(file))
        assert told.exit_code == 1
        assert f"{incident} was dismissed at 2026-11-24 07:10 UTC by dana: test traffic" in said(told)
    assert engine.consent.approvers.person_of(code) == "dana"
    with pytest.raises(RefusedError, match="waits for nobody"):
        engine.consent.link(incident)
