"""Verify: evidence read live, and the gate's judgement over it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from patchgap.errors import PatchgapError
from patchgap.incident import conduct, gate
from patchgap.incident.events import EvidenceTaken, GateJudged, PersonCalled
from patchgap.incident.gate import GateVerdict
from patchgap.incident.ledger import Entry
from patchgap.incident.state import IncidentState, fold
from patchgap.model.claimed import PLATFORM
from patchgap.model.codec import decode, plain, sealed
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.finding import IncidentId
from patchgap.playbook.language import Step
from patchgap.playbook.verify import required_checks, verify_of
from patchgap.redact import withheld, without_secrets
from patchgap.stages import consent, overdue
from patchgap.stages.engine import Engine
from patchgap.stages.scope import clusters_by_platform
from patchgap.stages.situation import open_state_of, playbook_of, situation_of, state_of

_ABSENT = "package_absent"
_NO_PROOF = "what it saw holds what looks like a secret, which is withheld: it proves nothing"
ACTOR = "patchgap verify"
_LEFT_BEHIND = timedelta(minutes=10)  # no action takes that long: the run that made such an intent was cut off
_LEEWAY = timedelta(minutes=1)  # a round that is due this soon is not put off until the schedule comes by again


def checks(engine: Engine, incident: IncidentId) -> tuple[tuple[str, str], ...]:
    """The checks that the gate requires, each with the platform that answers it: (verb, platform). A platform of which
    nothing is configured, and that the incident was never about, is not asked."""
    return _asked(engine, open_state_of(engine, incident))


def _asked(engine: Engine, state: IncidentState) -> tuple[tuple[str, str], ...]:
    verbs = dict.fromkeys(step.verb for step in _required(engine, state))
    configured = clusters_by_platform(engine)
    elsewhere = {p for by_platform in engine.registry.actions.values() for p in by_platform} - configured.keys()
    absent = {p for p, names in configured.items() if not (names or state.clusters.get(p))}
    absent |= {p for p in elsewhere if p not in state.clusters}  # where controls alone stand, as at GitHub
    return tuple((v, p) for v in verbs for p in sorted(engine.registry.checks[v]) if p not in absent)


def _required(engine: Engine, state: IncidentState) -> tuple[Step, ...]:
    return required_checks(playbook_of(engine, state), state.tiers_in_play, state.plan)


def observe(engine: Engine, incident: IncidentId, verb: str, platform: str) -> tuple[Evidence, ...]:
    """One check on one platform, live, once for each way in which the tiers in play ask for it; recorded as one round.
    A check that cannot look, or that passes on words with what looks like a secret, leaves UNKNOWN with its reason."""
    state = state_of(engine, incident)
    steps = [s for s in _required(engine, state) if s.verb == verb]
    seen = tuple(_kept(engine, platform, piece) for step in steps for piece in _look(engine, state, step, platform))
    engine.ledger.append(incident, EvidenceTaken(check=verb, platform=platform, evidence=seen), ACTOR)
    return seen


def _look(engine: Engine, state: IncidentState, step: Step, platform: str) -> tuple[Evidence, ...]:
    check = engine.registry.check(step.verb, platform)
    try:
        seen = tuple(check.observe(check.parameters.model_validate(dict(step.parameters)), situation_of(engine, state)))
    except PatchgapError as error:
        return (_cannot_tell(engine, step.verb, platform, str(error)),)
    return seen or (_cannot_tell(engine, step.verb, platform, "it returned no evidence"),)


def _cannot_tell(engine: Engine, verb: str, platform: str, reason: str) -> Evidence:
    return sealed(Evidence(verb, Verdict.UNKNOWN, (reason,), platform, engine.clock()))


def _kept(engine: Engine, platform: str, seen: Evidence) -> Evidence:
    """The piece as the ledger takes it: without what looks like a secret, and then no proof of anything; what failed has
    failed still. What cannot be recorded at all is unknown, with the reason."""
    try:
        document = plain(seen)
        kept = withheld(document)
        left = seen if kept == document else decode(Evidence, kept)
        engine.ledger.must_be_recordable(EvidenceTaken(check=seen.check, platform=platform, evidence=(left,)))
    except (PatchgapError, TypeError, ValueError) as error:
        why = without_secrets(f"what it saw cannot be recorded: {error}")
        return _cannot_tell(engine, seen.check, platform, why)
    if left is seen:
        return seen
    if left.verdict is Verdict.PASS:
        left = replace(left, verdict=Verdict.UNKNOWN, reasons=(_NO_PROOF, *left.reasons))
    return sealed(left)


def settle_left_behind(engine: Engine, incident: IncidentId) -> None:
    """Settles what a run that was cut off left behind, by looking; what is younger may be another run's."""
    situation = situation_of(engine, state_of(engine, incident))
    conduct.settle(engine.ledger, incident, engine.registry, situation, engine.clock() - _LEFT_BEHIND)


def judge(engine: Engine, incident: IncidentId) -> GateVerdict:
    """The gate, over the newest evidence of each check on each platform; recorded. What a cut-off run left behind is
    settled first, by looking. For each time of the playbook that was missed a person is called, once."""
    settle_left_behind(engine, incident)
    verdict = stands(engine, engine.ledger.read(incident))
    engine.ledger.append(incident, GateJudged(verdict=verdict), ACTOR)
    entries = engine.ledger.read(incident)
    judged = fold(entries)
    missed = list(overdue.missed(playbook_of(engine, judged), judged, engine.clock()))
    if judged.plan is not None and consent.late(judged, entries, engine.clock()):
        missed.append(f"nobody said yes to plan {judged.plan.digest} of {incident} in time: the answer is no")
    for why in missed:
        if why not in judged.persons_called:
            engine.ledger.append(incident, PersonCalled(why=why), ACTOR)
    return verdict


def due(engine: Engine, incident: IncidentId) -> bool:
    """Whether the playbook's `every` has passed since the last judgement."""
    state = state_of(engine, incident)
    every = verify_of(playbook_of(engine, state), state.tiers_in_play).every
    return state.times.judged is None or engine.clock() - state.times.judged >= every - _LEEWAY


def stands(engine: Engine, entries: tuple[Entry, ...]) -> GateVerdict:
    """What the gate says now of the evidence that these entries hold; nothing is recorded."""
    state = fold(entries)
    required = _required(engine, state)
    wanted = _asked(engine, state)
    return gate.judge(
        required=[step.verb for step in required],
        evidence=newest(engine, entries),
        waivers=state.waivers,
        now=engine.clock(),
        fresh_within=verify_of(playbook_of(engine, state), state.tiers_in_play).fresh_within,
        sources=_must_answer(engine, state, wanted),
        failed=seen_to_fail(entries),
    )


def _must_answer(
    engine: Engine, state: IncidentState, wanted: tuple[tuple[str, str], ...]
) -> dict[str, tuple[str, ...]]:
    """Every cluster of a check's platform that is configured, or that the incident was ever about: one that left no
    evidence is missing proof, not absent."""
    configured, about = clusters_by_platform(engine), state.clusters
    must = {
        verb: tuple(dict.fromkeys((*configured[platform], *about.get(platform, ()))))
        for verb, platform in wanted
        if platform in configured
    }
    claimed = {e.workload.ref.cluster for e in state.finding.exposures if e.workload.ref.platform == PLATFORM}
    if claimed and wanted:  # what a document claims to run is looked at by nobody: the first check cannot pass
        verb = next((v for v, _ in wanted if v == _ABSENT), wanted[0][0])
        must[verb] = (*must.get(verb, ()), *sorted(claimed))
    return must


def newest(engine: Engine, entries: tuple[Entry, ...]) -> list[Evidence]:
    """The last look of each required check, by when it looked: one that was recorded late, an older round, or a platform
    that is no longer asked, proves nothing. One that is dated after the next was recorded (a clock was set back) is older."""
    wanted = _asked(engine, fold(entries))
    last: dict[tuple[str, str], tuple[Evidence, ...]] = {}
    for entry in entries:
        if isinstance(body := entry.body, EvidenceTaken):
            key = body.check, body.platform
            before = _looked_at(last.get(key, ()))
            if _looked_at(body.evidence) >= before or before > entry.at.timestamp():
                last[key] = body.evidence
    return [piece for key in wanted for piece in last.get(key, ())]


def seen_to_fail(entries: tuple[Entry, ...]) -> frozenset[str]:
    """The checks that failed when they were last seen: a look that saw nothing takes no failure back. What a source said is
    taken back by its own pass, or by a whole round that passes."""
    rounds = [e.body for e in entries if isinstance(e.body, EvidenceTaken)]
    failed: set[tuple[str, str, str]] = set()  # check, platform, source
    for round_ in sorted(rounds, key=lambda r: _looked_at(r.evidence)):
        said: dict[str, set[Verdict]] = {}
        for piece in round_.evidence:
            said.setdefault(piece.source, set()).add(piece.verdict)
        if said and all(verdicts == {Verdict.PASS} for verdicts in said.values()):
            failed = {f for f in failed if f[:2] != (round_.check, round_.platform)}
        for source, verdicts in said.items():
            if Verdict.FAIL in verdicts:
                failed.add((round_.check, round_.platform, source))
            elif verdicts == {Verdict.PASS}:
                failed.discard((round_.check, round_.platform, source))
    return frozenset(check for check, _platform, _source in failed)


def _looked_at(evidence: tuple[Evidence, ...]) -> float:
    """When that round began to look, in seconds; before all others where it saw nothing."""
    return min((e.observed_at.timestamp() for e in evidence), default=0.0)
