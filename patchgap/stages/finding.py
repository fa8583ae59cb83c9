"""A signal joined with what runs here: what it asks the graph, what that answers, and the finding that they make.

Asks the graph alone; no control plane and no ledger.
"""

from __future__ import annotations

from dataclasses import replace

from patchgap.graph.question import Question
from patchgap.model.exposure import ExposureAnswer
from patchgap.model.finding import Finding
from patchgap.model.signal import Severity, Signal
from patchgap.playbook.tiers import severity_of
from patchgap.stages.engine import Engine


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
    that), else its id; a runtime signal's workload."""
    if signal.advisory is not None:
        names = sorted({signal.advisory.id, *signal.advisory.aliases})
        return "advisory:" + next((n for n in names if n.startswith("CVE-")), signal.advisory.id)
    if signal.runtime is not None:
        r = signal.runtime
        return f"runtime:{r.cluster}/{r.namespace}/{r.kind}/{r.name}"
    return f"signal:{signal.id}"


def question_of(signal: Signal) -> Question | None:
    """What to ask the graph about this signal's packages; None where it names none."""
    if signal.advisory is not None:
        return Question.of_advisory(signal.advisory)
    if signal.runtime is not None and signal.runtime.component:
        return Question.parse(signal.runtime.component)
    return None


def exposures(engine: Engine, signal: Signal) -> ExposureAnswer:
    """The exposed workloads as the graph knows them now. A runtime signal's own workload is exposed, whatever the
    component it names."""
    now = engine.clock()
    question = question_of(signal)
    about = engine.graph.exposure(question, now) if question else None
    if signal.runtime is None:
        return about or ExposureAnswer("", now, (), ())
    r = signal.runtime
    seen = engine.graph.workload_exposures(r.cluster, r.namespace, r.kind, r.name, now)
    if about is None:
        return seen
    named = {e.workload.ref for e in about.exposures}
    rest = tuple(e for e in seen.exposures if e.workload.ref not in named)
    return ExposureAnswer(about.query, now, (*about.exposures, *rest), (*about.unknown, *seen.unknown))
