"""Case files: what a playbook does, row by row, held without any control plane.

Owns the form of a `NAME.cases.yaml` beside its playbook and how a row is played: the real matching, tiers and planner,
over workloads and verbs that stand on paper alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from patchgap.model.exposure import Standing
from patchgap.model.signal import Severity, SignalKind
from patchgap.model.workload import Classification, RunState
from patchgap.playbook import paper
from patchgap.playbook.detect import wakes
from patchgap.playbook.diagnosis import tell
from patchgap.playbook.language import Playbook
from patchgap.playbook.loader import text_of
from patchgap.playbook.planner import plan
from patchgap.playbook.problems import PlaybookProblems
from patchgap.playbook.source import Sort, Source, read
from patchgap.playbook.tiers import TierChoice, assign
from patchgap.playbook.verify import required_checks
from patchgap.registry import Registry
from patchgap.settings import Protection

SUFFIX = ".cases.yaml"
_SORT = Sort("case file", "`- case: WHAT`", 1 << 20, 50_000)
_NAMESPACE = "patchgap"


def _nothing_for(word: str) -> BeforeValidator:
    """That word stands for None: a line without a value would be a slip."""
    return BeforeValidator(lambda value: None if value == word else value)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GivenWorkload(_Part):
    """A workload; what is not said of it is known and harmless."""

    name: str = Field(examples=["trainer-v2"])
    data: Classification = Classification.INTERNAL
    environment: str = "production"
    internet: bool = False
    privileged: bool = False
    cluster_admin: Annotated[bool | None, _nothing_for("unknown")] = False
    standing: Standing = Standing.AFFECTED
    state: RunState = RunState.RUNNING
    platform: str = "kubernetes"
    namespace: str = "training"


class Given(_Part):
    """The signal, and what is exposed by it."""

    signal: SignalKind = SignalKind.ADVISORY
    severity: Severity = Severity.UNKNOWN
    claimed: Severity = Severity.UNKNOWN
    malicious: bool = False
    known_exploited: bool = False
    epss: float | None = Field(default=None, ge=0, le=1)
    workloads: tuple[GivenWorkload, ...]
    unknown: tuple[str, ...] = ()
    others: int = Field(default=20, ge=0)  # unaffected workloads that the shares are counted on


class Expect(_Part):
    """What must come of it; what is not said may be anything."""

    woken: bool = Field(examples=["true"])
    reason: str = ""
    tiers: Mapping[str, Annotated[int | None, _nothing_for("none")]] | None = None
    because: Mapping[str, str] = Field(default_factory=dict)
    steps: tuple[str, ...] | None = None
    approval: bool | None = None
    checks: tuple[str, ...] | None = None
    refused: str = ""  # in the words of a limit or a protection; nothing may be refused without it


class Case(_Part):
    """One row."""

    case: Annotated[str, Field(min_length=1, examples=["an exploited package is contained at once"])]
    given: Given
    expect: Expect


@dataclass(frozen=True, slots=True)
class Missed:
    """An expectation that does not hold: where it is written, and in words what came instead."""

    line: int
    column: int
    what: str


@dataclass(frozen=True, slots=True)
class Played:
    """A row that was played; `missed` is empty where it holds."""

    case: str
    line: int
    missed: tuple[Missed, ...]


def beside(playbook: Path) -> Path:
    """The case file of a playbook's file."""
    return playbook.with_suffix(SUFFIX)


def play(path: Path, playbook: Playbook, registry: Registry) -> tuple[Played, ...]:
    """Every row of the case file, played. Raises PlaybookProblems where the file does not fit or cannot be read."""
    source = read(text_of(path, _SORT.bytes), str(path), _SORT)
    cases = list(_cases(source)) if source.document is not None else []
    if source.problems:
        raise PlaybookProblems(source.problems)
    verbs = paper.registry(registry)
    return tuple(
        Played(case.case, source.span((n,)).line + 1, tuple(_missed(source, n, _come(case, playbook, verbs))))
        for n, case in enumerate(cases)
    )


def _cases(source: Source) -> Iterator[Case]:
    rows = source.document
    if not isinstance(rows, list) or not rows:
        source.refuse(source.span(()), "a case file is a list of cases", corrected="- case: WHAT IS PROMISED")
        return
    for number, row in enumerate(rows):
        try:
            yield Case.model_validate(row)
        except ValidationError as error:
            tell(source, error, (number,), Case)


def _missed(source: Source, number: int, wrong: Iterator[tuple[str, str]]) -> Iterator[Missed]:
    for key, what in wrong:
        path = (number, "expect", key)
        span = source.keys.get(path, source.span((number, "expect")))
        yield Missed(span.line + 1, span.column + 1, what)


def _come(case: Case, playbook: Playbook, verbs: Registry) -> Iterator[tuple[str, str]]:
    """What came otherwise than expected: the expectation's key, and a sentence."""
    given, expect = case.given, case.expect
    finding = paper.finding(given.model_dump())
    woken, reasons = wakes(playbook, finding)
    said = "; ".join(reasons)
    if woken is not expect.woken:
        yield "woken", f"it {'wakes' if woken else 'does not wake'} someone: {said}"
    if expect.reason not in said:
        yield "reason", f"the reason is other: {said}"
    chosen = {ref.name: choice for ref, choice in assign(playbook, finding).items()}
    yield from _of_tiers(expect, chosen)
    made = plan(
        playbook,
        finding,
        verbs,
        paper.situation(finding),
        [*(e.workload for e in finding.exposures), *paper.others(given.others)],
        Protection(),
        _NAMESPACE,
        paper.NOW,
    )
    refused = "; ".join(made.refusals)
    if bool(refused) is not bool(expect.refused) or expect.refused not in refused:
        yield "refused", f"the plan is {'refused: ' + refused if refused else 'not refused'}"
    steps = tuple(dict.fromkeys(a.verb for a in made.actions))
    if expect.steps is not None and steps != expect.steps:
        yield "steps", f"the steps are {_listed(steps)}"
    if expect.approval is not None and bool(made.needs_approval) is not expect.approval:
        yield "approval", "it waits for a yes" if made.needs_approval else "it waits for nobody's yes"
    checks = tuple(s.verb for s in required_checks(playbook, {c.tier for c in chosen.values() if c.tier}, made))
    if expect.checks is not None and checks != expect.checks:
        yield "checks", f"the checks are {_listed(checks)}"


def _of_tiers(expect: Expect, chosen: Mapping[str, TierChoice]) -> Iterator[tuple[str, str]]:
    tiers = {name: choice.tier for name, choice in chosen.items()}
    if expect.tiers is not None and tiers != dict(expect.tiers):
        told = "; ".join(f"{name} gets {c.tier or 'none'} ({c.because})" for name, c in chosen.items())
        yield "tiers", f"the tiers are other: {told or 'no workload gets one'}"
    for name, why in expect.because.items():
        because: Any = chosen[name].because if name in chosen else "it is not exposed"
        if why not in because:
            yield "because", f"{name} gets its tier for another reason: {because}"


def _listed(words: tuple[str, ...]) -> str:
    return f"[{', '.join(words)}]"
