"""A signal joined with what runs here: what it asks the graph, what that answers, and the finding that they make.

Asks the graph alone; no control plane and no ledger.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from patchgap.graph.question import Question
from patchgap.model.exposure import ExposureAnswer
from patchgap.model.finding import Finding
from patchgap.model.signal import RuntimeSignal, Severity, Signal
from patchgap.model.workload import Workload
from patchgap.playbook.tiers import severity_of
from patchgap.stages.engine import Engine

_ACCOUNT = "ServiceAccount"


def finding_of(signal: Signal, answer: ExposureAnswer) -> Finding:
    """The finding: severity is the worst of the advisory's and the sender's claim, and critical where the package is
    malicious or known to be exploited."""
    advisory = signal.advisory
    found = Finding(
        key=key_of(signal),
        signal=signal,
        severity=Severity.UNKNOWN,
        malicious=signal.claims.malicious or (advisory is not None and advisory.malicious),
        known_exploited=signal.claims.known_exploited,
        epss=signal.claims.epss,
        exposures=answer.exposures,
        unknown=answer.unknown,
    )
    return replace(found, severity=severity_of(found))


def key_of(signal: Signal) -> str:
    """The same for every signal about the same thing: an advisory's CVE where it has one (all its aliases agree on
    that), else its id; the kind and the place of anything that was seen."""
    if signal.advisory is not None:
        names = sorted({signal.advisory.id, *signal.advisory.aliases})
        return "advisory:" + next((n for n in names if n.startswith("CVE-")), signal.advisory.id)
    if signal.runtime is not None:
        r = signal.runtime
        return f"{signal.kind}:{r.cluster}/{r.namespace}/{r.kind}/{r.name}"
    return f"signal:{signal.id}"


def question_of(signal: Signal) -> Question | None:
    """What to ask the graph about this signal's packages; None where it names none."""
    if signal.advisory is not None:
        return Question.of_advisory(signal.advisory)
    if signal.runtime is not None and signal.runtime.component:
        return Question.parse(signal.runtime.component)
    return None


def exposures(engine: Engine, signal: Signal) -> ExposureAnswer:
    """The exposed workloads as the graph knows them now. What was seen on a workload exposes it, whatever the
    component it names; on a ServiceAccount, whatever runs as it; a swapped image, whatever runs the digest found."""
    now = engine.clock()
    question = question_of(signal)
    about = engine.graph.exposure(question, now) if question else None
    if signal.runtime is None:
        return about or ExposureAnswer("", now, (), ())
    seen = _seen(engine, signal.runtime, now)
    if about is None:
        return seen
    named = {e.workload.ref for e in about.exposures}
    rest = tuple(e for e in seen.exposures if e.workload.ref not in named)
    return ExposureAnswer(about.query, now, (*about.exposures, *rest), (*about.unknown, *seen.unknown))


def _seen(engine: Engine, r: RuntimeSignal, now: datetime) -> ExposureAnswer:
    if r.kind != _ACCOUNT and not r.found:
        return engine.graph.workload_exposures(r.cluster, r.namespace, r.kind, r.name, now)
    touched = [w.ref for w in engine.graph.workloads() if _runs_as(w, r) or _runs(w, r.found)]
    answers = [engine.graph.workload_exposures(w.cluster, w.namespace, w.kind, w.name, now) for w in touched]
    unknown = tuple(dict.fromkeys(u for a in answers for u in a.unknown))
    every = tuple(e for a in answers for e in a.exposures if not r.found or e.artifact.digest == r.found)
    if every or r.kind == _ACCOUNT:
        return ExposureAnswer(f"{r.cluster}/{r.namespace}/{r.kind}/{r.name}", now, every, unknown)
    return engine.graph.workload_exposures(r.cluster, r.namespace, r.kind, r.name, now)  # as it was before the swap


def _runs_as(workload: Workload, r: RuntimeSignal) -> bool:
    where = (workload.ref.cluster, workload.ref.namespace, workload.privileges.service_account)
    return r.kind == _ACCOUNT and where == (r.cluster, r.namespace, r.name)


def _runs(workload: Workload, digest: str) -> bool:
    return bool(digest) and any(c.digest == digest for c in workload.containers)
