"""Detect: a signal becomes an incident, joins one, or is recorded with the reason why it wakes nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from patchgap.errors import BadInputError
from patchgap.incident.envelope import signal_from
from patchgap.incident.events import Opened, SignalJoined, StageFailed
from patchgap.model.codec import canonical
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.signal import Signal, SignalId
from patchgap.playbook import loader
from patchgap.playbook.detect import wakes
from patchgap.playbook.language import Playbook, digest
from patchgap.playbook.problems import PlaybookProblems
from patchgap.stages import scope
from patchgap.stages.engine import Engine
from patchgap.stages.finding import exposures, finding_of

ACTOR = "patchgap detect"


@dataclass(frozen=True, slots=True)
class Detected:
    """What became of a signal. `incident` is None where it woke nobody; `reason` is a sentence either way."""

    signal: SignalId
    incident: IncidentId | None
    new: bool
    reason: str


def receive(engine: Engine, document: Mapping[str, Any], source: str) -> SignalId:
    """Stores a signal that came by hand; the same document again is the same signal.

    Raises BadInputError naming the field that does not fit; nothing is stored then.
    """
    delivery = "by-hand-" + hashlib.sha256(canonical(document)).hexdigest()[:16]
    now = engine.clock()
    signal_from(SignalId("sig-unstored"), document, now)
    signal, _new = engine.inbox.put(delivery, str(document["kind"]), source, document, now)
    return signal


def detect(engine: Engine, signal_id: SignalId) -> Detected:
    """Joins the signal with what runs here and opens (or joins) the incident of the first playbook that it wakes.

    Raises BadInputError for a stored signal that cannot be read; it is quarantined with that reason, and not tried again.
    Raises PlaybookProblems where nothing else wakes, and a playbook that cannot be read might have."""
    row = engine.inbox.get(signal_id)
    try:
        signal = signal_from(row.id, row.document, row.received_at)
    except BadInputError as error:
        engine.inbox.mark(row.id, "quarantined", str(error))
        raise
    if signal.advisory is not None and signal.advisory.withdrawn is not None:
        reason = f"{signal.advisory.id} was withdrawn on {signal.advisory.withdrawn:%Y-%m-%d}"
        engine.inbox.mark(signal.id, "recorded", reason, None)
        return Detected(signal.id, None, new=False, reason=reason)
    finding = find(engine, signal)
    why_not: list[str] = []
    playbooks, broken = _playbooks(engine, signal)
    for playbook, text in playbooks:
        woken, reasons = wakes(playbook, finding)
        if woken:
            found = _open(engine, finding, playbook, text, reasons)
            if broken and found.incident and found.new:
                engine.ledger.append(found.incident, StageFailed("detect", (str(broken),)), ACTOR)
            return found
        why_not += [f"{playbook.playbook}: {reason}" for reason in reasons]
    if broken:  # the one that cannot be read may be the one that would have woken someone
        raise broken
    reason = "; ".join(why_not) or f"no playbook listens to {signal.kind} signals"
    engine.inbox.mark(signal.id, "recorded", reason, None)
    return Detected(signal.id, None, new=False, reason=reason)


def find(engine: Engine, signal: Signal) -> Finding:
    """The signal with its exposures. Where the cached inventory shows none, every cluster is read again first:
    what was deployed a minute ago counts."""
    answer = exposures(engine, signal)
    if not answer.exposures:
        for cluster in scope.clusters(engine):
            scope.refresh(engine, cluster)
        answer = exposures(engine, signal)
    return finding_of(signal, answer)


def _playbooks(engine: Engine, signal: Signal) -> tuple[list[tuple[Playbook, str]], PlaybookProblems | None]:
    """The playbooks that listen to such a signal, and the problems of those that cannot be read."""
    broken: PlaybookProblems | None = None
    try:
        loaded = loader.load_all(engine.settings, engine.registry)
    except PlaybookProblems as problems:
        loaded, broken = problems.loaded, problems
    return [(p, text) for p, text in loaded if signal.kind in p.detect.on], broken


def _open(engine: Engine, finding: Finding, playbook: Playbook, text: str, reasons: tuple[str, ...]) -> Detected:
    opened = Opened(
        finding=finding,
        playbook=playbook.playbook,
        version=playbook.version,
        digest=digest(text),
        text=text,
        times_scale=engine.settings.times_scale,
    )
    incident, new = engine.ledger.open(finding.key, opened, ACTOR)
    signal = finding.signal
    if not new and not _knows(engine, incident, signal.id):
        engine.ledger.append(incident, SignalJoined(signal=signal), ACTOR)
    engine.inbox.mark(signal.id, "opened" if new else "joined", "; ".join(reasons), incident)
    return Detected(signal.id, incident, new, "; ".join(reasons))


def _knows(engine: Engine, incident: IncidentId, signal: SignalId) -> bool:
    bodies = [entry.body for entry in engine.ledger.read(incident)]
    return any(
        (isinstance(b, Opened) and b.finding.signal.id == signal)
        or (isinstance(b, SignalJoined) and b.signal.id == signal)
        for b in bodies
    )
