"""Consent: whose yes counts, to which plan, once, and for how long; and doing without it."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from click.testing import CliRunner, Result
from estate import BAD, World, envelope, say_yes
from test_close import opened, verified

import flows.cli.consent as commands
from patchgap import cli
from patchgap.cli import main
from patchgap.cli.context import Cli
from patchgap.errors import BadInputError, RefusedError
from patchgap.incident.events import Approved, Declined, Planned, SignalJoined
from patchgap.incident.ledger import Ledger
from patchgap.incident.metrics import measures
from patchgap.incident.report import render
from patchgap.incident.shape import second_person
from patchgap.incident.state import fold
from patchgap.incident.story import Teller
from patchgap.model.evidence import Verdict
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Plan
from patchgap.model.signal import SignalId
from patchgap.model.workload import Classification
from patchgap.settings import WebhookSettings
from patchgap.stages import consent, contain, detect, recover, scope, verify
from patchgap.stages.consent import Answer
from patchgap.stages.engine import Engine
from patchgap.stages.situation import situation_of, state_of


@pytest.fixture
def waiting(engine: Engine, world: World) -> tuple[IncidentId, Plan]:
    """An incident whose plan waits for a yes."""
    world.runs("notebook", BAD, Classification.INTERNAL)
    incident = opened(engine)
    return incident, contain.plan(engine, incident)


def code_of(engine: Engine, person: str = "dana") -> str:
    (code,) = engine.consent.approvers.issue(person, "admin")
    return code


def may_run(engine: Engine, incident: IncidentId) -> bool:
    return bool(contain.ready(engine, incident))


def test_a_code_serves_once(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """It says who approves; spelt with spaces and capitals it is the same; the second time it is spent."""
    incident, plan = waiting
    code = code_of(engine)
    answer = Answer(incident, plan.digest, yes=True)
    said = engine.consent.by_code(answer, f" {code.upper().replace('-', ' ')} ")
    assert isinstance(said, Approved)
    assert (said.approver, said.requester, said.plan_digest) == ("dana", "test", plan.digest)
    assert may_run(engine, incident)
    with pytest.raises(RefusedError, match="code of dana is spent"):
        engine.consent.by_code(answer, code)


def test_a_wrong_an_old_and_a_revoked_code_are_refused(
    engine: Engine, world: World, waiting: tuple[IncidentId, Plan]
) -> None:
    """And none of them is repeated in what is said."""
    incident, plan = waiting
    answer = Answer(incident, plan.digest, yes=True)
    revoked, old = code_of(engine, "kim"), code_of(engine)
    assert engine.consent.approvers.revoke("kim") == 1
    for code, why in ((revoked, "no code"), ("x" * 26, "no code"), ("", "no code")):
        with pytest.raises(RefusedError, match=why) as refused:
            engine.consent.by_code(answer, code)
        assert not code or code not in str(refused.value)
    world.now += timedelta(days=91)
    with pytest.raises(RefusedError, match="has expired"):
        engine.consent.by_code(answer, old)
    assert not may_run(engine, incident)


def test_a_code_is_not_spent_where_its_answer_is_not_taken(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """Another plan, or a no without a reason: the code still serves."""
    incident, plan = waiting
    code = code_of(engine)
    with pytest.raises(RefusedError, match="another plan"):
        engine.consent.by_code(Answer(incident, "sha256:" + "0" * 64, yes=True), code)
    with pytest.raises(BadInputError, match="says not why"):
        engine.consent.by_code(Answer(incident, plan.digest, yes=False), code)
    assert engine.consent.by_code(Answer(incident, plan.digest, yes=True), code)


def test_no_code_stands_in_the_database(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """Neither before nor after it served."""
    incident, plan = waiting
    spent, kept = code_of(engine), code_of(engine)
    engine.consent.by_code(Answer(incident, plan.digest, yes=True), spent)
    held = (engine.settings.home / "p.db").read_bytes().lower()
    for code in (spent, kept):
        assert code.encode() not in held
        assert code.replace("-", "").encode() not in held


def test_of_two_who_use_one_code_at_once_one_is_refused(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """The code is spent in one statement."""
    incident, plan = waiting
    code, ready, said = code_of(engine), threading.Barrier(2), []

    def use() -> None:
        ready.wait()
        try:
            said.append(engine.consent.by_code(Answer(incident, plan.digest, yes=True), code))
        except RefusedError:
            said.append(None)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count(None) == 1
    assert len(state_of(engine, incident).approvals) == 1


def test_a_link_to_a_person_is_their_yes_to_that_plan_alone(
    engine: Engine, world: World, waiting: tuple[IncidentId, Plan]
) -> None:
    """After the scope changed it is a link to another plan, and says so."""
    incident, plan = waiting
    token = engine.consent.link(incident, "dana")
    world.runs("second", BAD, Classification.INTERNAL)
    scope.refresh(engine, "c1")
    scope.scope(engine, incident)
    assert contain.plan(engine, incident).digest != plan.digest
    with pytest.raises(RefusedError, match="another plan"):
        engine.consent.by_link(token, yes=True)
    said = engine.consent.by_link(engine.consent.link(incident, "dana"), yes=True)
    assert isinstance(said, Approved)
    assert said.approver == "dana"
    assert may_run(engine, incident)


def test_a_link_to_a_person_serves_once(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """Neither again for the same plan, nor for one of the same digest that was made after a no."""
    incident, plan = waiting
    first, unused = engine.consent.link(incident, "dana"), engine.consent.link(incident, "kim")
    engine.consent.by_link(first, yes=True)
    with pytest.raises(RefusedError, match="served already"):
        engine.consent.by_link(first, yes=True)
    engine.consent.by_code(Answer(incident, plan.digest, yes=False, why="a decoy"), code_of(engine, "lee"))
    assert contain.plan(engine, incident).digest == plan.digest
    for link in (first, unused):
        with pytest.raises(RefusedError, match="served already"):
            engine.consent.by_link(link, yes=True)
    assert not may_run(engine, incident)


@pytest.mark.parametrize(
    ("person", "linked", "why"), [("eve", ("dana",), "no approver"), (" TEST ", ("Test",), "another person")]
)
def test_a_link_answers_for_an_approver_alone_and_never_for_the_requester(
    engine: Engine, waiting: tuple[IncidentId, Plan], person: str, linked: tuple[str, ...], why: str
) -> None:
    """Whoever can run the command would else say yes as anybody; a notification falls back to a link that asks for a code."""
    incident, _ = waiting
    desk = replace(engine.consent, linked=linked)
    with pytest.raises(RefusedError, match=why):
        desk.link(incident, person)
    settings = engine.settings.model_copy(update={"webhook": WebhookSettings(url="https://patchgap.example.org")})
    link = situation_of(replace(engine, consent=desk, settings=settings), state_of(engine, incident)).approval_link(
        person
    )
    assert desk.links.read(link.rpartition("/")[2], engine.clock()).person == ""


def test_a_link_to_one_who_is_no_approver_any_more_is_refused(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """It was signed with the key, and answers nothing."""
    incident, _ = waiting
    token = replace(engine.consent, linked=("eve",)).link(incident, "eve")
    with pytest.raises(RefusedError, match="eve is no approver"):
        engine.consent.by_link(token, yes=True)


def test_where_approvers_are_named_nobody_elses_yes_counts(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """A code of another is not spent, and may still say no."""
    incident, plan = waiting
    desk = replace(engine.consent, people=("Dana",))
    code = code_of(engine, "eve")
    with pytest.raises(RefusedError, match="eve is no approver"):
        desk.by_code(Answer(incident, plan.digest, yes=True), code)
    assert not may_run(engine, incident)
    assert desk.by_code(Answer(incident, plan.digest, yes=False, why="a decoy"), code)
    contain.plan(engine, incident)
    assert desk.by_code(Answer(incident, plan.digest, yes=True), code_of(engine))


def test_a_form_spends_the_code_whatever_becomes_of_the_answer(
    engine: Engine, waiting: tuple[IncidentId, Plan]
) -> None:
    """Others store what a form gets: a code that was sent is worth nothing there, the requester's own included."""
    incident, plan = waiting
    for person, answer in (
        ("test", Answer(incident, plan.digest, yes=True)),
        ("dana", Answer(incident, "sha256:" + "0" * 64, yes=True)),
        ("dana", Answer(incident, plan.digest, yes=False)),
    ):
        code = code_of(engine, person)
        with pytest.raises((RefusedError, BadInputError)):
            engine.consent.by_form(answer, code)
        with pytest.raises(RefusedError, match="is spent"):
            engine.consent.by_code(Answer(incident, plan.digest, yes=True), code)
    assert not may_run(engine, incident)
    assert engine.consent.by_form(Answer(incident, plan.digest, yes=True), code_of(engine))


@pytest.mark.parametrize(
    "spelt",
    [
        "KIM Ünal",
        " kim  ünal ",
        "Kim U\u0308nal",
        "\uff4bim \u00fcnal",
        "ki\u200bm ünal",
        "kim\ufe0f ünal\u3164",
        "kim ünal\u2800",
    ],
)
def test_the_requester_is_the_same_in_any_spelling(spelt: str) -> None:
    """Case, blanks, wide letters, combining marks and what is not seen make no second person."""
    assert not second_person(spelt, "Kim Ünal")
    assert second_person("dana", "Kim Ünal")


@pytest.mark.parametrize("nobody", [" ", "\u3164", "\u2800"])
def test_what_nobody_reports_is_no_signal_and_has_no_second_person(engine: Engine, nobody: str) -> None:
    """A blank in the form's field would let whoever filled it in say yes to what they asked for."""
    with pytest.raises(BadInputError, match="source: Value error, it names nobody"):
        detect.receive(engine, {**envelope(), "source": nobody}, nobody)
    assert not second_person("dana", nobody)


@pytest.mark.parametrize("way", ["a yes", "a broken glass"])
def test_a_clock_that_is_set_back_brings_no_consent_back(
    engine: Engine, world: World, waiting: tuple[IncidentId, Plan], way: str
) -> None:
    """What was over when something was recorded is over; a yes that is given after that holds by the clock as it is."""
    incident, plan = waiting
    if way == "a yes":
        say_yes(engine, incident, plan.digest)
    else:
        consent.break_glass(engine.ledger, incident, "dana", "at once", timedelta(minutes=30), engine.clock())
    assert may_run(engine, incident)
    world.now += timedelta(minutes=31)
    verified(engine, incident)
    world.now -= timedelta(minutes=20)
    assert not may_run(engine, incident)
    say_yes(engine, incident, plan.digest, "lee")
    assert may_run(engine, incident)


def test_a_link_to_nobody_asks_for_a_code(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """It may stand in a channel: whoever reads it there proves who they are."""
    incident, _ = waiting
    token = engine.consent.link(incident)
    with pytest.raises(RefusedError, match="no code"):
        engine.consent.by_link(token, yes=True)
    with pytest.raises(RefusedError, match="another person"):
        engine.consent.by_link(token, yes=True, code=code_of(engine, "test"))
    assert engine.consent.by_link(token, yes=True, code=code_of(engine))


def test_a_link_that_was_changed_or_made_elsewhere_is_refused(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """Every character of it counts."""
    incident, _ = waiting
    token = engine.consent.link(incident, "dana")
    at = token.index(".")
    odd = [
        token[:5] + ("A" if token[5] != "A" else "B") + token[6:],
        token[:at],
        token + "x",
        "",
        ".",
        "ä.ü",
        token * 50,
    ]
    odd += [token[: at + 1] + ("A" if token[at + 1] != "A" else "B") + token[at + 2 :]]
    for one in odd:
        with pytest.raises(RefusedError, match="was not made here"):
            engine.consent.by_link(one, yes=True)
    (engine.settings.home / "keys" / "approvals.key").unlink()
    with pytest.raises(RefusedError, match="was not made here"):
        engine.consent.by_link(token, yes=True)
    assert not may_run(engine, incident)


def test_a_link_expires_with_the_wait(engine: Engine, world: World, waiting: tuple[IncidentId, Plan]) -> None:
    """To no; and a person is called, once."""
    incident, _ = waiting
    token = engine.consent.link(incident, "dana")
    world.now += timedelta(minutes=31)
    with pytest.raises(RefusedError, match="expired: the answer is no"):
        engine.consent.by_link(token, yes=True)
    for _ in range(2):
        verify.judge(engine, incident)
    called = [why for why in state_of(engine, incident).persons_called if "nobody said yes" in why]
    assert len(called) == 1


def test_a_no_stands_until_the_plan_is_made_again(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """It takes an earlier yes away; nothing can be approved after it but a plan that is made again."""
    incident, plan = waiting
    say_yes(engine, incident, plan.digest)
    no = Answer(incident, plan.digest, yes=False, why="the notebook is a decoy")
    assert isinstance(engine.consent.by_code(no, code_of(engine, "kim")), Declined)
    assert not may_run(engine, incident)
    with pytest.raises(RefusedError, match="kim said no"):
        say_yes(engine, incident, plan.digest)
    assert contain.plan(engine, incident).digest == plan.digest
    assert not may_run(engine, incident)
    say_yes(engine, incident, plan.digest)
    assert may_run(engine, incident)


def test_an_answer_is_weighed_again_where_a_new_plan_slips_in(
    engine: Engine, world: World, waiting: tuple[IncidentId, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan that another run records in between is not approved by a yes to the one before."""
    incident, plan = waiting
    held = Ledger.append_if

    def slip(ledger: Ledger, *given: object, **named: object) -> object:
        monkeypatch.setattr(Ledger, "append_if", held)
        world.runs("second", BAD, Classification.INTERNAL)
        scope.refresh(engine, "c1")
        scope.scope(engine, incident)
        contain.plan(engine, incident)
        return held(ledger, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Ledger, "append_if", slip)
    with pytest.raises(RefusedError, match="another plan"):
        say_yes(engine, incident, plan.digest)
    assert state_of(engine, incident).approvals == ()


def test_broken_glass_is_loud_and_ends(engine: Engine, world: World, waiting: tuple[IncidentId, Plan]) -> None:
    """It lets wait nobody, for its time; the story, the report, the metrics and a person hear of it."""
    incident, _ = waiting
    consent.break_glass(engine.ledger, incident, "kim", "nobody answers", timedelta(minutes=30), engine.clock())
    assert may_run(engine, incident)
    entries = engine.ledger.read(incident)
    state = fold(entries)
    teller = Teller()
    assert any("GLASS BROKEN by kim" in line for entry in entries for line in teller.lines(entry))
    assert "GLASS BROKEN" in render(state, entries, engine.clock())
    assert measures([state]).glass_broken == 1
    assert any("kim broke the glass" in why for why in state.persons_called)
    world.now += timedelta(minutes=31)
    assert not may_run(engine, incident)
    planned = state.plan
    assert planned
    with pytest.raises(RefusedError, match="not approved"):
        contain.carry_out(engine, incident, planned.actions[0].id)
    assert world.calls == []


@pytest.mark.parametrize("named", [True, False])
def test_a_no_ends_a_glass_that_was_broken_before_it(
    engine: Engine, world: World, waiting: tuple[IncidentId, Plan], named: bool
) -> None:
    """Nothing is done against it, by that plan or by the next one; a glass that is broken after it opens again."""
    incident, plan = waiting
    of = plan.digest if named else ""
    consent.break_glass(engine.ledger, incident, "kim", "nobody answers", timedelta(hours=6), engine.clock(), of)
    assert may_run(engine, incident)
    (code,) = engine.consent.approvers.issue("dana", "admin")
    engine.consent.by_code(Answer(incident, plan.digest, yes=False, why="it would take the shop down"), code)
    for action in (*plan.actions, *contain.plan(engine, incident).actions):
        with pytest.raises(RefusedError, match="not approved"):
            contain.carry_out(engine, incident, action.id)
    assert world.calls == []
    consent.break_glass(engine.ledger, incident, "kim", "the shop is ready", timedelta(hours=6), engine.clock())
    assert may_run(engine, incident)


def test_a_broken_glass_opens_its_own_incident_and_where_it_names_one_its_own_plan(
    engine: Engine, world: World, waiting: tuple[IncidentId, Plan]
) -> None:
    """Another incident's plan waits on; so does the plan that is made anew, unless none was named: then a person is told."""
    incident, plan = waiting
    other = detect.detect(engine, detect.receive(engine, envelope("OSV-2", aliases=()), "test")).incident
    assert other
    scope.scope(engine, other)
    contain.plan(engine, other)

    def broken(of: str) -> None:
        consent.break_glass(engine.ledger, incident, "kim", "nobody answers", timedelta(hours=1), engine.clock(), of)

    with pytest.raises(RefusedError, match="another plan"):
        broken("sha256:" + "0" * 64)
    broken(plan.digest)
    assert (may_run(engine, incident), may_run(engine, other)) == (True, False)
    world.runs("second", BAD, Classification.INTERNAL)
    scope.refresh(engine, "c1")
    scope.scope(engine, incident)
    assert contain.plan(engine, incident).digest != plan.digest
    assert not may_run(engine, incident)
    broken("")
    assert may_run(engine, incident)
    world.runs("third", BAD, Classification.INTERNAL)
    scope.refresh(engine, "c1")
    scope.scope(engine, incident)
    anew = contain.plan(engine, incident)
    assert may_run(engine, incident)
    assert not may_run(engine, other)
    assert [anew.digest in why for why in state_of(engine, incident).persons_called] == [False, False, True]


def test_broken_glass_moves_neither_the_kill_switch_nor_a_limit(
    engine: Engine, waiting: tuple[IncidentId, Plan]
) -> None:
    """It stands in for one thing."""
    incident, plan = waiting
    engine.stop.raise_("wrong cluster", "dana", engine.clock())
    consent.break_glass(engine.ledger, incident, "kim", "nobody answers", timedelta(hours=1), engine.clock())
    with pytest.raises(RefusedError, match="kill switch"):
        contain.carry_out(engine, incident, plan.actions[0].id)


@pytest.mark.parametrize(
    ("who", "why", "lasts", "said"),
    [
        (" ", "w", timedelta(hours=1), "says so"),
        ("kim", " ", timedelta(hours=1), "says so"),
        ("kim", "w", timedelta(hours=13), "12 hours"),
        ("kim", "w", timedelta(0), "12 hours"),
    ],
)
def test_a_glass_is_broken_by_name_with_a_reason_and_an_end(
    engine: Engine, waiting: tuple[IncidentId, Plan], who: str, why: str, lasts: timedelta, said: str
) -> None:
    """Each is asked for."""
    incident, _ = waiting
    with pytest.raises(BadInputError, match=said):
        consent.break_glass(engine.ledger, incident, who, why, lasts, engine.clock())
    assert not may_run(engine, incident)


def carried_out(engine: Engine, incident: IncidentId) -> None:
    for step in contain.ready(engine, incident):
        for action in step:
            contain.carry_out(engine, incident, action.id)


def test_what_is_done_asks_nobody_again(engine: Engine, world: World, waiting: tuple[IncidentId, Plan]) -> None:
    """An approval that expires after its work is done leaves no question, and makes no new plan."""
    incident, plan = waiting
    say_yes(engine, incident, plan.digest)
    carried_out(engine, incident)
    world.now += timedelta(minutes=45)
    assert engine.consent.asked(incident) is None
    head = state_of(engine, incident).head
    contain.plan(engine, incident)
    assert state_of(engine, incident).head == head


def test_an_approval_that_expires_with_work_left_is_a_no(
    engine: Engine, world: World, waiting: tuple[IncidentId, Plan]
) -> None:
    """Nobody can say yes to that wait any more; planned again, the question has an end in the future again."""
    incident, plan = waiting
    world.now += timedelta(minutes=10)
    say_yes(engine, incident, plan.digest)
    world.now += timedelta(minutes=31)
    assert engine.consent.asked(incident) is None
    with pytest.raises(RefusedError, match="waited for its approval too long"):
        say_yes(engine, incident, plan.digest)
    contain.plan(engine, incident)
    asked = engine.consent.asked(incident)
    assert asked is not None
    assert asked.until > world.now
    say_yes(engine, incident, plan.digest)
    carried_out(engine, incident)
    assert world.held == {"notebook"}


def test_a_plan_asked_for_released_and_asked_for_again_needs_a_new_yes(
    engine: Engine, world: World, waiting: tuple[IncidentId, Plan]
) -> None:
    """What was released and is planned again waits as it did the first time."""
    incident, plan = waiting
    say_yes(engine, incident, plan.digest)
    carried_out(engine, incident)
    world.verdict = Verdict.PASS
    verified(engine, incident)
    for control in recover.releases(engine, incident):
        recover.release(engine, incident, control.intent.action.id)
    world.now += timedelta(minutes=45)
    world.verdict = Verdict.FAIL
    verified(engine, incident)
    contain.plan(engine, incident)
    assert engine.consent.asked(incident) is not None
    carried_out(engine, incident)
    assert world.held == set()


def test_who_reported_what_joined_is_no_second_person(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """What a later signal claims can be what made the plan: whoever sent it does not approve it."""
    incident, plan = waiting
    signal = replace(state_of(engine, incident).finding.signal, id=SignalId("sig-0123456789abcdef"), source="Dana")
    engine.ledger.append(incident, SignalJoined(signal=signal), "detect")
    with pytest.raises(RefusedError, match="another person than the requester"):
        say_yes(engine, incident, plan.digest, "dana")
    assert say_yes(engine, incident, plan.digest, "kim")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """The command line has the estate's time."""
    monkeypatch.setattr(cli, "Cli", partial(Cli, clock=world.clock))


def run(engine: Engine, *words: str) -> Result:
    where = {"PATCHGAP_DATABASE_URL": engine.settings.database_url}
    return CliRunner().invoke(main, ["--home", str(engine.settings.home), "incident", *words], env=where)


def test_a_beginning_of_the_digest_names_the_plan(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """8 hex digits or more, with or without the algorithm, as it is copied from the story too."""
    incident, plan = waiting
    digits = plan.digest.removeprefix("sha256:")
    for given in (plan.digest, digits, digits[:8], f"sha256:{digits[:12]}…"):
        assert engine.consent.meant(incident, given) == plan.digest
    for given in (digits[:7], "sha256:", "the plan", digits.upper(), f"{digits}0"):
        with pytest.raises(BadInputError, match="8 hex digits"):
            engine.consent.meant(incident, given)


def test_what_begins_two_plans_names_neither(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """An older plan of the incident counts too: who read that one must not answer this one."""
    incident, plan = waiting
    twin = replace(plan, digest=plan.digest[:20] + "0" * 51)
    engine.ledger.append(incident, Planned(twin), "patchgap contain")
    engine.ledger.append(incident, Planned(plan), "patchgap contain")
    with pytest.raises(RefusedError, match="several plans"):
        engine.consent.meant(incident, plan.digest[:20])
    assert engine.consent.meant(incident, plan.digest) == plan.digest


@pytest.mark.usefixtures("now")
def test_another_plan_is_refused_before_a_code_is_asked_for(
    engine: Engine, waiting: tuple[IncidentId, Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command line; the plan that waits is named, and a beginning of its digest answers it."""
    incident, plan = waiting
    asked: list[str] = []
    monkeypatch.setattr(commands, "_code", lambda _file: asked.append("code") or code_of(engine))
    told = run(engine, "approve", incident, "--plan", "0123456789")
    assert (told.exit_code, asked) == (1, [])
    assert plan.digest in told.stderr
    assert run(engine, "approve", incident, "--plan", "short").exit_code == 2
    assert asked == []
    told = run(engine, "approve", incident, "--plan", plan.digest[7:19])
    assert told.exit_code == 0, told.output
    assert (asked, plan.digest in told.stderr) == (["code"], True)
    assert may_run(engine, incident)


@pytest.mark.usefixtures("now")
def test_a_plan_that_waits_is_shown_with_how_to_answer_it(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """Whole, with both commands in lines that are not broken, and who may; as fields too. Answered, it says what is next."""
    incident, plan = waiting
    told = run(engine, "show", incident).stdout.splitlines()
    assert f"plan {plan.digest}" in told
    digits = plan.digest[7:19]
    assert f"  patchgap incident approve {incident} --plan {digits}" in told
    assert f'  patchgap incident decline {incident} --plan {digits} --why "…"' in told
    words = " ".join(" ".join(told).split())
    assert (
        "who may: whoever has a code of `patchgap approver issue` (the playbook asks second-person); not 'test', who"
        in words
    )
    waits = json.loads(run(engine, "show", incident, "--json").stdout)["waits"]
    assert (waits["plan"], waits["not"], waits["people"], waits["targets"]) == (plan.digest, ["test"], None, 1)
    say_yes(engine, incident, plan.digest)
    told = run(engine, "show", incident).stdout.splitlines()
    assert f"  patchgap incident contain {incident}" in told
    assert not [line for line in told if "approve " in line and "--plan" in line]


def test_named_approvers_are_told_without_who_asked(engine: Engine, waiting: tuple[IncidentId, Plan]) -> None:
    """Whoever reported the signal is no second person, though the settings name them."""
    incident, _plan = waiting
    desk = replace(engine.consent, people=("Test", "kim"))
    assert desk.may_say_yes(state_of(engine, incident)) == ("kim",)
