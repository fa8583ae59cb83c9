"""The report's two pictures as plain numbers and words: the five stages in time, and what reaches what.

Geometry alone; the template draws it. Everything in it is text that is shown, never markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from patchgap.incident.metrics import in_words
from patchgap.incident.state import IncidentState, Status
from patchgap.model.exposure import Exposure, short

_COLUMNS = ((0, 160), (177, 184), (378, 198), (593, 172), (782, 218))  # x and width of each column
_HEADS = ("signal", "package", "comes in through", "image", "workload")
_ROW, _BOX, _TOP = 52, 40, 30
_MOST = 20  # workloads in the picture; the table has them all
_LETTER, _SMALL = 7.0, 5.8  # a letter's width, in the two sizes of the picture's type


def stages(state: IncidentState) -> list[dict[str, Any]]:
    """Five nodes: name, when (or None), seconds since the signal in words, how it stands, and a remark."""
    times = state.times
    tiers = {a.tier for a in state.plan.actions} if state.plan else set()
    contained = max(times.contained.values()) if tiers and tiers <= set(times.contained) else None
    nodes = [
        _stage("Detect", times.opened, times.received, _detected(state)),
        _stage("Scope", times.scoped, times.received, _count(len({e.workload.ref for e in state.finding.exposures}))),
        _stage("Contain", contained, times.received, _contained(state)),
        _stage("Verify", times.converged, times.received, _verified(state)),
        _stage("Recover", times.recovered or times.ended, times.received, _recovered(state)),
    ]
    if state.receipts and (contained is None or state.failed or (state.plan and state.plan.uncovered)):
        nodes[2]["standing"] = "partial"
    if times.converged is None and state.verdict is not None:
        nodes[3]["standing"] = "partial"
    for place, node in enumerate(nodes):
        node["x"] = 100 + place * 200
    return nodes


def _stage(name: str, at: datetime | None, since: datetime, note: str) -> dict[str, Any]:
    after = in_words(max((at - since).total_seconds(), 0)) if at else ""
    clock = f"{at:%H:%M:%S}" if at else "not yet"
    return {"name": name, "at": clock, "after": after, "standing": "done" if at else "ahead", "note": note}


def _count(workloads: int) -> str:
    return f"{workloads} workload{'' if workloads == 1 else 's'}"


def _detected(state: IncidentState) -> str:
    return f"{len(state.signals)} signal{'' if len(state.signals) == 1 else 's'}"


def _contained(state: IncidentState) -> str:
    left = len(state.plan.uncovered) if state.plan else 0
    said = [f"{len(state.failed)} failed"] * bool(state.failed) + [f"{left} not covered"] * bool(left)
    said += [f"{len(state.waiting)} waiting"] * bool(state.waiting)
    done = len(state.receipts) - len(state.failed) - len(state.waiting)
    return ", ".join([f"{done} done", *said]) if state.receipts else ""


def _verified(state: IncidentState) -> str:
    if state.verdict is None:
        return ""
    by_check = state.verdict.by_check
    passing = sum(1 for v in by_check.values() if v.value == "pass")
    waived = f", {len(state.verdict.waived)} waived" if state.verdict.waived else ""
    return f"{passing} of {len(by_check)} proved{waived}"


def _recovered(state: IncidentState) -> str:
    if state.status is Status.DISMISSED:
        return "dismissed"
    stay = len(state.remaining)
    return f"{stay} control{'' if stay == 1 else 's'} stay{'s' if stay == 1 else ''}" if state.times.recovered else ""


def exposure(state: IncidentState) -> dict[str, Any]:
    """Boxes and the lines between them: signal, component, chain, image, workload. `more` workloads are left out."""
    shown, more = _chosen(state.finding.exposures)
    signal = state.finding.signal
    about = signal.advisory.id if signal.advisory else signal.kind.value
    paths = [_path(about, e, state) for e in shown]
    columns = [list({p[c][2]: p[c] for p in paths}.values()) for c in range(len(_COLUMNS))]
    tallest = max(len(names) for names in columns) or 1
    boxes: dict[tuple[int, str], dict[str, Any]] = {}
    for column, names in enumerate(columns):
        x, width = _COLUMNS[column]
        gap = (tallest - len(names)) * _ROW / 2
        for place, (text, under, whole) in enumerate(names):
            fits = {"text": _cut(text, (width - 20) / _LETTER), "under": _cut(under, (width - 20) / _SMALL)}
            words = {**fits, "whole": whole, "column": column}
            boxes[column, whole] = {"x": x, "y": round(_TOP + gap + place * _ROW), "width": width, **words}
    pairs = sorted({(c, p[c][2], p[c + 1][2]) for p in paths for c in range(len(_COLUMNS) - 1)})
    curves = [_curve(boxes[c, left], boxes[c + 1, right]) for c, left, right in pairs]
    heads = [(x, word) for (x, _), word in zip(_COLUMNS, _HEADS, strict=True)]
    return {
        "columns": heads,
        "boxes": list(boxes.values()),
        "curves": curves,
        "height": _TOP + tallest * _ROW,
        "box": _BOX,
        "more": more,
    }


def _chosen(exposures: Sequence[Exposure]) -> tuple[list[Exposure], int]:
    refs = list(dict.fromkeys(e.workload.ref for e in exposures))
    kept = set(refs[:_MOST])
    return [e for e in exposures if e.workload.ref in kept], len(refs) - len(kept)


def _path(about: str, of: Exposure, state: IncidentState) -> tuple[tuple[str, str, str], ...]:
    """For each column the box's words: main, small, and whole (shown on hover)."""
    ref, tier = of.workload.ref, state.tier_of(of.workload.ref)
    digest = of.artifact.digest
    image = of.artifact.repository.rpartition("/")[2] or of.container.image.rpartition("/")[2] or "image"
    given = f"tier {tier}" if tier is not None else "no tier yet"
    return (
        (about, state.finding.severity.value, about),
        (f"{of.component.name} {of.component.version}", of.standing.value.replace("_", " "), of.component.purl),
        _chain(of),
        (image, digest.removeprefix("sha256:")[:12], f"{of.artifact.repository}@{digest}"),
        (ref.name, f"{ref.kind} · {ref.namespace} · {given}", str(ref)),
    )


def _chain(of: Exposure) -> tuple[str, str, str]:
    if not of.chains:
        return ("chain unknown", "the SBOM has no edges", "the SBOM has no edges")
    shortest = min(of.chains, key=len)
    between = [short(p) for p in shortest[1:-1]]
    count = len(of.chains) + (of.more_chains or 0)
    chains = f"{count:,} chains" if count > 1 else "1 chain"
    return (" → ".join(between) or "directly", chains, "\n".join(" → ".join(c) for c in of.chains))


def _curve(left: dict[str, Any], right: dict[str, Any]) -> str:
    x1, y1 = left["x"] + left["width"], left["y"] + _BOX // 2
    x2, y2 = right["x"], right["y"] + _BOX // 2
    bend = (x1 + x2) // 2
    return f"M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}"


def _cut(text: str, room: float) -> str:
    return text if len(text) <= room else text[: int(room) - 1] + "…"


def named(purls: Iterable[str]) -> str:
    """A chain as a person reads it."""
    return " → ".join(short(p) for p in purls)
