"""Plans, evidence and verdicts as Markdown artifacts in the Prefect UI.

Whatever came with a signal or from a cluster is text in a cell: escaped, cut, never Markdown or HTML of its own.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from prefect.artifacts import create_markdown_artifact

from flows.aside import aside
from patchgap.cli.output import many
from patchgap.graph.snapshots import Changes
from patchgap.graph.touched import Touch
from patchgap.incident import difference
from patchgap.incident.gate import GateVerdict
from patchgap.model.claimed import running_now
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Plan, PlannedAction
from patchgap.model.text import safe
from patchgap.stages.detect import Detected
from patchgap.stages.recover import Papers
from patchgap.stages.scope import Scoped

_MARKS = {"pass": "✅ pass", "fail": "❌ fail", "unknown": "❓ unknown"}
_MOST_ROWS = 500
_MOST_LETTERS = 2000  # of a line of the diff
_UNFIT = re.compile(r"[^a-z0-9-]+")  # in an artifact's key


def finding(found: Detected) -> None:
    """What became of a signal."""
    text = f"{'Opened' if found.new else 'Joined'} **{found.incident}**" if found.incident else "Nobody was woken"
    _put(found.incident or found.signal, "finding", f"# Signal {found.signal}\n\n{text}: {cell(found.reason)}\n")


def exposures(incident: str, scoped: Scoped) -> None:
    """Every exposed workload with its tier and the chain that leads to the component."""
    rows = [
        (
            str(scoped.tiers[str(e.workload.ref)].tier) if str(e.workload.ref) in scoped.tiers else "",
            str(e.workload.ref),
            f"{e.component.name} {e.component.version}",
            " → ".join(e.chains[0]) if e.chains else "unknown",
            e.workload.environment,
            e.workload.data_scope.classification,
            running_now(e.workload),
            e.artifact.digest,
        )
        for e in scoped.exposures
    ]
    heads = ("tier", "workload", "component", "chain", "environment", "data", "running", "image")
    unknown = "".join(f"\n- **unknown** {cell(u.what)}: {cell(u.reason)}" for u in scoped.unknown)
    _put(incident, "exposures", f"# {len(rows)} exposures of {incident}\n\n{table(heads, rows)}\n{unknown}\n")


def plan(incident: str, made: Plan) -> None:
    """Every target named, with what would change as a diff and what undoes it."""
    _put(incident, "plan", plan_text(incident, made))


def plan_text(incident: str, made: Plan) -> str:
    """The plan in Markdown: a row a target, then what changes on each, as a diff."""
    rows = [
        (str(a.tier), str(a.step + 1), a.verb, difference.named(a.target), a.inverse or "—", a.id) for a in made.actions
    ]
    heads = ("tier", "step", "verb", "target", "undone by", "action")
    notes = [f"**refused** {cell(r)}" for r in made.refusals]
    notes += [f"**needs approval** {cell(r)}" for r in made.needs_approval]
    notes += [f"**not covered** {cell(u.verb)} {cell(u.target)}: {cell(u.reason)}" for u in made.uncovered]
    notes += [f"**unknown** {cell(u.what)}: {cell(u.reason)}" for u in made.unknown]
    listed = "".join(f"\n- {note}" for note in notes)
    top = f"# Plan of {incident}\n\nPlaybook {cell(made.playbook)}, digest `{cell(made.digest)}`\n"
    return f"{top}\n{table(heads, rows)}\n{listed}\n\n{diff(made.actions)}\n"


def diff(actions: Sequence[PlannedAction], width: int = _MOST_LETTERS) -> str:
    """What changes on each target, as a block of code, in lines of at most `width` letters; nothing in it is
    Markdown."""
    whole = [line for action in actions[:_MOST_ROWS] for line in _diff(action)]
    shown = [part for line in whole for part in _wrapped(line, width)]
    if len(actions) > _MOST_ROWS:
        shown.append(f"{len(actions) - _MOST_ROWS} more targets: see `patchgap incident plan`.")
    return "\n".join(["```diff", *(safe(line).replace("`", "'") for line in shown), "```"])


def _diff(action: PlannedAction) -> Iterator[str]:
    yield f"@@ tier {action.tier} {action.verb}: {_flat(difference.named(action.target))} @@"
    yield from (f"{sign} {_flat(text)}" for sign, text in difference.lines(action))


def _wrapped(line: str, width: int) -> list[str]:
    """The sign that a line begins with begins its other parts too, so that each has the line's colour."""
    sign = line[:2] if line[1:2] == " " else "   "
    return textwrap.wrap(line, width, subsequent_indent=f"{sign}  ", break_on_hyphens=False) or [line]


def _flat(text: str) -> str:
    return " ".join(text.split())[:_MOST_LETTERS]


def evidence(incident: str, seen: Iterable[Evidence]) -> None:
    """Each observation with its verdict, its source and its digest."""
    rows = [
        (e.check, _MARKS[e.verdict], e.source, f"{e.observed_at:%H:%M:%S} UTC", "; ".join(e.reasons), e.digest)
        for e in seen
    ]
    heads = ("check", "verdict", "source", "seen at", "reasons", "digest")
    _put(incident, "evidence", f"# Evidence of {incident}\n\n{table(heads, rows)}\n")


def gate(incident: str, verdict: GateVerdict) -> None:
    """What the gate said, with every missing proof."""
    said = "The gate **passes**" if verdict.passed else f"The gate **holds**: {len(verdict.reasons)} proofs missing"
    rows = [(check, _MARKS[seen]) for check, seen in verdict.by_check.items()]
    reasons = "".join(f"\n- {cell(r)}" for r in verdict.reasons)
    _put(incident, "gate", f"# Gate of {incident}\n\n{said}\n\n{table(('check', 'verdict'), rows)}\n{reasons}\n")


def closing(incident: str, closed: Papers) -> None:
    """Where the report and the signed evidence are, and what stays in place."""
    rows = [(c.intent.action.verb, str(c.intent.action.target)) for c in closed.remaining]
    stays = f"\n## What stays\n\n{table(('verb', 'target'), rows)}\n" if rows else ""
    papers = f"- report: `{cell(str(closed.report))}`\n- evidence: `{cell(str(closed.bundle))}`\n"
    _put(incident, "close", f"# {incident} is closed\n\n{papers}{stays}")


def drift(cluster: str, missed: Changes) -> None:
    """What a watch of the cluster had not told when it was read again."""
    rows = [(name, word) for word, names in missed.parts for name in names]
    said = "The watch had told all that was read"
    if rows:
        verb = "was" if missed.count == 1 else "were"
        said = f"{many(missed.count, 'workload')} {verb} not as the watch had told"
    listed = f"\n{table(('workload', 'without the watch telling it'), rows)}\n" if rows else ""
    _put(_UNFIT.sub("-", f"cluster-{cluster}".lower()), "drift", f"# Drift of {cell(cluster)}\n\n{said}.\n{listed}")


def advisories(new: Sequence[Touch]) -> None:
    """The advisories that touch what runs and did not before: of the mirror, or of a package, that is new."""
    rows = [
        (one.advisory.id, ", ".join(one.aliases), one.severity.value, one.standing.value, one.component.purl or one.component.name,
         str(one.workloads))
        for one in new
    ]  # fmt: skip
    heads = ("advisory", "aliases", "severity", "standing", "package", "workloads")
    listed = f"\n{table(heads, rows)}\n" if rows else ""
    _put(
        "mirror", "advisories", f"# Advisories\n\n{len(new)} new matches run; `patchgap advisories` has all.\n{listed}"
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a very long one says what it leaves out."""
    shown = ["| " + " | ".join(cell(c) for c in row) + " |" for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        shown.append(f"\n{len(rows) - _MOST_ROWS} more rows: see `patchgap incident show`.")
    return "\n".join(["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads), *shown])


def cell(text: str) -> str:
    """Foreign text as text: no HTML, no Markdown, no line breaks, cut at 400 characters."""
    flat = html.escape(safe(" ".join(text.split())), quote=False)[:400]
    return re.sub(r"([\\`*_\[\]|!#~])", r"\\\1", flat)


def _put(subject: str, what: str, markdown: str) -> None:
    key, description = f"{subject}-{what}".lower(), f"{what} of {subject}"
    aside(lambda: create_markdown_artifact(markdown, key=key, description=description))
