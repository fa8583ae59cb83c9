"""The incident report: one self-contained HTML page, made from the ledger alone.

Owns which tables are shown; its first words are `heading`'s. Everything is put into the template as plain JSON: what
came with a signal is data in it and never compiled; long texts and lists are cut, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

from patchgap.incident import heading, lasting, picture, story
from patchgap.incident.events import Waived
from patchgap.incident.ledger import Entry
from patchgap.incident.metrics import measures
from patchgap.incident.state import ENDED, IncidentState, Status
from patchgap.model.claimed import running_now
from patchgap.model.codec import plain
from patchgap.model.evidence import Verdict
from patchgap.model.exposure import Exposure
from patchgap.model.plan import PlannedAction
from patchgap.model.text import safe
from patchgap.model.workload import Privileges
from patchgap.playbook.tiers import by_workload

_ROWS = 300  # of any table
_LETTERS = 600  # of any text
_TONES = {
    Status.CLOSED: "good",
    Status.RECOVERED: "good",
    Status.DISMISSED: "quiet",
    Status.PARTIAL: "bad",
}


def render(state: IncidentState, entries: Sequence[Entry], now: datetime) -> str:
    """The page as text: no script, nothing remote. `now` is when it was made, and what expired is told by it."""
    context = _bounded(plain(_context(state, entries, now)))
    return str(_template().render(context))


@cache
def _template() -> Template:
    folder = Path(__file__).parent / "templates"
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        shown = safe(value[:_LETTERS], keep="\n\t")
        return shown if len(value) <= _LETTERS else shown + " … (cut; the ledger has it whole)"
    if isinstance(value, dict):
        return {k: _bounded(v) for k, v in value.items()}
    return [_bounded(v) for v in value] if isinstance(value, list) else value


def _table(rows: Iterable[Any]) -> dict[str, Any]:
    every = list(rows)
    return {"rows": every[:_ROWS], "more": max(len(every) - _ROWS, 0)}


def _context(state: IncidentState, entries: Sequence[Entry], now: datetime) -> dict[str, Any]:
    measured = measures([state]).lines()
    return {
        "incident": state.id,
        "made_at": heading.at(now),
        "title": heading.title(state),
        "summary": heading.summary(state),
        "status": {"word": state.status.value.replace("_", " "), "tone": _TONES.get(state.status, "open")},
        "headline": heading.headline(state),
        "rehearsed": state.times_scale < 1,
        "facts": heading.facts(state),
        "stages": picture.stages(state),
        "day": f"{state.times.received:%A, %d %B %Y}",
        "picture": picture.exposure(state),
        "workloads": _table(_workloads(state)),
        "unknown": _table(state.unknown),
        "plan": _plan(state),
        "actions": _table(_action(state, a) for a in _actions(state)),
        "controls": _table(_controls(state, entries, now)),
        "proof": _proof(state),
        "waivers": _table(_waiver(w, now) for w in heading.unproved(state)),
        "refused": _table(
            {"at": heading.at(r.at), "reasons": [story.shortened(why) for why in r.reasons]}
            for r in state.refused_closings
        ),
        "troubles": _table([*(f"{f.stage}: {p}" for f in state.failures for p in f.problems), *state.persons_called]),
        "patched": state.patched,
        "measures": [_pair(line) for line in measured if line.startswith("time to") and "not known yet" not in line],
        "ledger": _table(_entry(e) for e in entries),
        "head": state.head,
        "entries": len(entries),
    }


def _workloads(state: IncidentState) -> list[dict[str, Any]]:
    rows = [_workload(state, exposures) for exposures in by_workload(state.finding.exposures).values()]
    return sorted(rows, key=lambda row: (row["tier"] is None, row["tier"] or 0, row["name"]))


def _workload(state: IncidentState, exposures: Sequence[Exposure]) -> dict[str, Any]:
    of = exposures[0].workload
    given = state.tiers.get(str(of.ref))
    return {
        "name": of.ref.name,
        "where": f"{of.ref.kind} in {of.ref.namespace}",
        "place": (f"cluster {of.ref.cluster}", f"{of.environment}, {of.region}"),
        "tier": given.tier if given else None,
        "because": given.because if given else (),
        "running": f"{running_now(of)} of {of.replicas}",
        "chains": [picture.named(c) for e in exposures for c in e.chains] or ["unknown: the SBOM has no edges"],
        "images": sorted(
            ({"digest": d, "commit": c} for d, c in {e.artifact.digest: e.artifact.commit for e in exposures}.items()),
            key=lambda image: image["digest"],
        ),
        "privileges": _privileges(of.privileges, of.internet_exposed),
        "data": of.data_scope.classification.value,
        "writes_to": of.data_scope.writes_to,
    }


def _privileges(of: Privileges, internet: bool | None) -> list[str]:
    admin = {True: "cluster admin", False: "", None: "RBAC could not be read"}[of.cluster_admin]
    reach = f"may: {'; '.join(of.reach[:4])}" + (f" and {len(of.reach) - 4} more" if len(of.reach) > 4 else "")  # noqa: PLR2004
    said = [
        f"service account {of.service_account}",
        admin,
        "cloud admin" if of.cloud_admin else "",
        "privileged" if of.privileged else "",
        "host namespaces" if of.host_namespace else "",
        f"capabilities {', '.join(of.capabilities)}" if of.capabilities else "",
        "reachable from the internet" if internet else "",
        reach if of.reach else "",
    ]
    return [s for s in said if s]


def _plan(state: IncidentState) -> dict[str, Any]:
    made = state.plan
    approvals = [
        f"{a.approver}, asked by {a.requester}" for a in state.approvals if made and a.plan_digest == made.digest
    ]
    return {
        "digest": made.digest if made else "",
        "approved": approvals,
        "glass": [f"{g.who} until {g.expires_at:%Y-%m-%d %H:%M:%S} UTC: {g.why}" for g in state.glass],
        "declined": f"{state.declined.who}: {state.declined.why}" if state.declined else "",
        "needs": made.needs_approval if made else (),
        "refusals": made.refusals if made else (),
        "uncovered": _table(made.uncovered if made else ()),
    }


def _actions(state: IncidentState) -> list[PlannedAction]:
    planned = {a.id: a for a in state.plan.actions} if state.plan else {}
    earlier = {i.action.id: i.action for i in state.intents.values()}
    return list({**planned, **earlier}.values())


def _action(state: IncidentState, of: PlannedAction) -> dict[str, Any]:
    receipt = state.receipt(of.id)
    word = receipt.outcome.value if receipt else "under way" if of.id in state.intents else "not begun"
    tones = {"done": "good", "failed": "bad", "unsettled": "open", "waiting": "open"}
    return {
        "verb": of.verb,
        "tier": of.tier,
        "target": str(of.target),
        "effect": of.effect.value,
        "changes": of.changes[:6],
        "outcome": word,
        "tone": tones.get(word, "quiet"),
        "detail": receipt.detail if receipt else (),
    }


def _controls(state: IncidentState, entries: Sequence[Entry], now: datetime) -> list[dict[str, Any]]:
    """Everything that can be undone: whether it stands, wholly or by halves, was released, or stays and until when."""
    whole = {c.intent.action.id for c in state.controls}
    since = {c.intent.action.id: c.since for c in state.to_release}
    ends = {r.action: r.expires_at for r in state.remaining}
    times = {c.intent.action.id: f", a person is called at {heading.at(end)}" for c, end in lasting.standing(state)}
    released_at = {e.body.action: e.at for e in entries if e.body.kind == "released"}
    rows = []
    for action in (i.action for i in state.intents.values() if i.action.inverse):
        stands, attempt = action.id in since, state.released.get(action.id)
        if not stands and attempt is None:
            continue
        row = {"verb": action.verb, "target": str(action.target), "inverse": action.inverse, "tone": "open"}
        if not stands:
            row |= {"word": "released", "tone": "good", "when": heading.at(released_at[action.id])}
        elif attempt is not None:
            row |= {"word": "release failed", "tone": "bad", "when": "; ".join(attempt.detail)}
        elif state.status in ENDED or action.id in ends:
            row |= {"word": "remains", "when": _called(ends.get(action.id), now)}
        else:
            row |= {
                "word": "stands" if action.id in whole else "stands by halves",
                "when": f"since {heading.at(since[action.id])}{times.get(action.id, '')}",
            }
        rows.append(row)
    return rows


def _called(end: datetime | None, now: datetime) -> str:
    """What becomes of a control that stays: nothing takes it away by itself."""
    stays = "it stays until a person ends it"
    if end is None:
        return stays
    return (
        f"a person is called at {heading.at(end)}; {stays}"
        if end > now
        else f"its time ended {heading.at(end)}; {stays}"
    )


def _until(end: datetime, now: datetime) -> str:
    return f"until {heading.at(end)}" if end > now else f"ended {heading.at(end)}"


def _proof(state: IncidentState) -> dict[str, Any]:
    verdict = state.verdict
    marks = {Verdict.PASS: "good", Verdict.FAIL: "bad", Verdict.UNKNOWN: "open"}
    rows = [
        {
            "check": e.check,
            "verdict": e.verdict.value,
            "tone": marks[e.verdict],
            "source": e.source,
            "at": heading.at(e.observed_at),
            "reasons": [story.shortened(why) for why in e.reasons],
            "digest": e.digest,
        }
        for e in state.evidence
    ]
    passed = verdict.passed if verdict else False
    return {
        "judged": verdict is not None,
        "passed": passed,
        "missing": [story.shortened(why) for why in verdict.reasons] if verdict and state.status not in ENDED else [],
        "evidence": _table(rows),
    }


def _waiver(waiver: Waived, now: datetime) -> dict[str, str]:
    return {"check": waiver.check, "who": waiver.who, "why": waiver.why, "until": _until(waiver.expires_at, now)}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": f"{entry.at:%H:%M:%S}",
        "kind": entry.body.kind.replace("_", " "),
        "actor": entry.actor.removeprefix("patchgap "),
        "lines": story.lines(entry)[:12],
        "hash": entry.hash.removeprefix("sha256:")[:12],
    }


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value
