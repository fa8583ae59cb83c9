"""Matchers against facts: structured comparisons, nothing evaluated.

What is unknown of a workload counts as the worst, and the reason says so; only a probability of exploitation that
nobody states does not match. Knows no playbook, only one matcher and one set of facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from patchgap.model.signal import Severity
from patchgap.model.workload import Classification
from patchgap.playbook.language import Matcher, Privilege
from patchgap.playbook.problems import listed

WORST = "unknown, counted as the worst"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a matcher may ask. `privileges` are those that the workload has, `untold` those that cannot be told;
    `internet_exposed` None, `environment` "unknown" and `epss` None mean that nothing says. `ecosystems` are lower
    case, without a release."""

    severity: Severity
    malicious: bool
    known_exploited: bool
    epss: float | None
    data_scope: Classification = Classification.UNKNOWN
    environment: str = "unknown"
    privileges: frozenset[Privilege] = frozenset()
    untold: frozenset[Privilege] = frozenset()
    internet_exposed: bool | None = None
    ecosystems: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Matched:
    """Whether a matcher holds, and the sentences' parts that say why (or, where it does not, why not)."""

    holds: bool
    because: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.holds


def matches(matcher: Matcher, facts: Facts) -> Matched:
    """Whether every condition of the matcher holds for the facts. Reasons are of those that held, or of the first
    ones that did not."""
    parts = list(_conditions(matcher, facts))
    failed = [p for p in parts if not p.holds]
    return Matched(not failed, tuple(reason for p in (failed or parts) for reason in p.because))


def _conditions(matcher: Matcher, facts: Facts) -> Iterator[Matched]:
    for name, ask in _ASK.items():
        if getattr(matcher, name) is not None:
            yield ask(matcher, facts)
    if matcher.any is not None:
        yield _any([matches(m, facts) for m in matcher.any])
    for one in matcher.all_of or ():
        yield matches(one, facts)


def _any(parts: list[Matched]) -> Matched:
    held = [p for p in parts if p.holds]
    return Matched(bool(held), tuple(r for p in (held or parts) for r in p.because))


def _severity(matcher: Matcher, facts: Facts) -> Matched:
    wanted = matcher.severity or ()
    if facts.severity is Severity.UNKNOWN:
        holds = Severity.UNKNOWN in wanted or Severity.CRITICAL in wanted
        return Matched(holds, (f"severity {WORST}",))
    return Matched(facts.severity in wanted, (f"severity {facts.severity}",))


def _flag(name: str) -> Callable[[Matcher, Facts], Matched]:
    words = name.replace("_", " ")

    def ask(matcher: Matcher, facts: Facts) -> Matched:
        value = getattr(facts, name)
        return Matched(value is getattr(matcher, name), (words if value else f"not {words}",))

    return ask


def _epss(matcher: Matcher, facts: Facts) -> Matched:
    if facts.epss is None or matcher.epss is None:
        return Matched(holds=False, because=("epss unknown, not counted",))
    return Matched(facts.epss >= matcher.epss.at_least, (f"epss {facts.epss:g}",))


def _data_scope(matcher: Matcher, facts: Facts) -> Matched:
    wanted = matcher.data_scope or ()
    if facts.data_scope is Classification.UNKNOWN:
        holds = Classification.UNKNOWN in wanted or Classification.SENSITIVE in wanted
        return Matched(holds, (f"data scope {WORST}",))
    return Matched(facts.data_scope in wanted, (f"data scope {facts.data_scope}",))


def _environment(matcher: Matcher, facts: Facts) -> Matched:
    if facts.environment == "unknown":
        return Matched(holds=True, because=(f"environment {WORST}",))
    return Matched(facts.environment in (matcher.environment or ()), (f"environment {facts.environment}",))


def _privileges(matcher: Matcher, facts: Facts) -> Matched:
    wanted = frozenset(matcher.privileges or ())
    if held := wanted & facts.privileges:
        return Matched(holds=True, because=(f"privileges {_names(held)}",))
    if untold := wanted & facts.untold:
        return Matched(holds=True, because=(f"privileges {WORST} ({_names(untold)})",))
    return Matched(holds=False, because=(f"none of the privileges {_names(wanted)}",))


def _names(values: Iterable[Privilege]) -> str:
    return ", ".join(sorted(values))


def _internet_exposed(matcher: Matcher, facts: Facts) -> Matched:
    if facts.internet_exposed is None:
        return Matched(matcher.internet_exposed is True, (f"internet exposure {WORST}",))
    words = "exposed to the internet" if facts.internet_exposed else "not exposed to the internet"
    return Matched(facts.internet_exposed is matcher.internet_exposed, (words,))


def _ecosystem(matcher: Matcher, facts: Facts) -> Matched:
    if not facts.ecosystems:
        return Matched(holds=True, because=(f"ecosystem {WORST}",))
    wanted = {name.lower() for name in matcher.ecosystem or ()}
    told = f"ecosystem {listed(facts.ecosystems)}"
    return Matched(any(e in wanted or e.partition(":")[0] in wanted for e in facts.ecosystems), (told,))


_ASK: dict[str, Callable[[Matcher, Facts], Matched]] = {
    "severity": _severity,
    "malicious": _flag("malicious"),
    "known_exploited": _flag("known_exploited"),
    "epss": _epss,
    "data_scope": _data_scope,
    "environment": _environment,
    "privileges": _privileges,
    "internet_exposed": _internet_exposed,
    "ecosystem": _ecosystem,
}
