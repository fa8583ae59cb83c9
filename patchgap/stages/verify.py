"""Verify: evidence read live, and the gate's judgement over it."""

from __future__ import annotations

from dataclasses import replace

from patchgap.errors import PatchgapError
from patchgap.incident import gate
from patchgap.incident.events import EvidenceTaken, GateJudged
from patchgap.incident.gate import GateVerdict
from patchgap.incident.ledger import Entry
from patchgap.incident.state import IncidentState
from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.finding import IncidentId
from patchgap.playbook.language import Step
from patchgap.playbook.verify import required_checks
from patchgap.stages.engine import Engine
from patchgap.stages.situation import playbook_of, situation_of, state_of

ACTOR = "patchgap verify"


def checks(engine: Engine, incident: IncidentId) -> tuple[tuple[str, str], ...]:
    """The checks that the gate requires, each with the platform that answers it: (verb, platform)."""
    state = state_of(engine, incident)
    return tuple(
        (step.verb, platform)
        for step in _required(engine, state)
        for platform in sorted(engine.registry.checks[step.verb])
    )


def _required(engine: Engine, state: IncidentState) -> tuple[Step, ...]:
    in_play = frozenset(t for t in (state.tier_of(e.workload.ref) for e in state.finding.exposures) if t is not None)
    return required_checks(playbook_of(engine, state), in_play, state.plan)


def observe(engine: Engine, incident: IncidentId, verb: str, platform: str) -> tuple[Evidence, ...]:
    """One check on one platform, live; recorded. A check that cannot look leaves UNKNOWN with its reason."""
    state = state_of(engine, incident)
    step = next(s for s in _required(engine, state) if s.verb == verb)
    check = engine.registry.check(verb, platform)
    try:
        seen = tuple(check.observe(check.parameters.model_validate(dict(step.parameters)), situation_of(engine, state)))
    except PatchgapError as error:
        seen = (_cannot_tell(engine, verb, platform, str(error)),)
    if not seen:
        seen = (_cannot_tell(engine, verb, platform, "it returned no evidence"),)
    engine.ledger.append(incident, EvidenceTaken(check=verb, platform=platform, evidence=seen), ACTOR)
    return seen


def _cannot_tell(engine: Engine, verb: str, platform: str, reason: str) -> Evidence:
    unknown = Evidence(verb, Verdict.UNKNOWN, (reason,), platform, engine.clock())
    return replace(unknown, digest=evidence_digest(unknown))


def judge(engine: Engine, incident: IncidentId) -> GateVerdict:
    """The gate, over the newest evidence of each check on each platform; recorded."""
    entries = engine.ledger.read(incident)
    state = state_of(engine, incident)
    verdict = gate.judge(
        required=[step.verb for step in _required(engine, state)],
        evidence=_newest(entries, checks(engine, incident)),
        waivers=state.waivers,
        now=engine.clock(),
        fresh_within=playbook_of(engine, state).verify.fresh_within,
        sources=_must_answer(engine, checks(engine, incident)),
    )
    engine.ledger.append(incident, GateJudged(verdict=verdict), ACTOR)
    return verdict


def _must_answer(engine: Engine, wanted: tuple[tuple[str, str], ...]) -> dict[str, tuple[str, ...]]:
    """Every configured cluster of a check's platform: one that left no evidence is missing proof, not absent."""
    clusters = {s.platform: tuple(s.clusters(engine.connections)) for s in engine.registry.inventories}
    return {verb: clusters[platform] for verb, platform in wanted if platform in clusters}


def _newest(entries: tuple[Entry, ...], wanted: tuple[tuple[str, str], ...]) -> list[Evidence]:
    """The last round of each check: an older round, or a platform that is no longer asked, proves nothing."""
    last = {(e.body.check, e.body.platform): e.body.evidence for e in entries if isinstance(e.body, EvidenceTaken)}
    return [piece for key in wanted for piece in last.get(key, ())]
