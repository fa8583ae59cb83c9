"""Which workload gets which tier, and why: per workload, in order, first match.

Owns the facts that a finding and a workload give a matcher.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from patchgap.model.exposure import Exposure, Standing
from patchgap.model.finding import Finding
from patchgap.model.signal import Severity, worst
from patchgap.model.workload import Workload, WorkloadRef
from patchgap.playbook.language import Playbook, Privilege, Scope
from patchgap.playbook.match import Facts, matches

# purl types whose OSV ecosystem has another name; deb, rpm and apk name theirs in the purl's namespace
_ECOSYSTEMS = {"golang": "go", "cargo": "crates.io", "gem": "rubygems", "composer": "packagist"}
_DISTRIBUTIONS = frozenset({"deb", "rpm", "apk"})


@dataclass(frozen=True, slots=True)
class TierChoice:
    """A workload's tier, or None, with the facts it was chosen by and a sentence that says why."""

    tier: int | None
    facts: Facts
    because: str


def exposed(scope: Scope, exposures: Iterable[Exposure]) -> tuple[Exposure, ...]:
    """The exposures that something is decided on: in scope, and not known to be unaffected."""
    return tuple(e for e in exposures if e.standing is not Standing.NOT_AFFECTED and scope.holds(e))


def assign(playbook: Playbook, finding: Finding) -> Mapping[WorkloadRef, TierChoice]:
    """The tier of every workload of the finding, in the finding's order; an unknown standing counts as exposed."""
    return {ref: _choose(playbook, finding, found) for ref, found in by_workload(finding.exposures).items()}


def by_workload(exposures: Iterable[Exposure]) -> Mapping[WorkloadRef, tuple[Exposure, ...]]:
    """Each workload's exposures, in the order given."""
    found: dict[WorkloadRef, list[Exposure]] = {}
    for exposure in exposures:
        found.setdefault(exposure.workload.ref, []).append(exposure)
    return {ref: tuple(mine) for ref, mine in found.items()}


def _choose(playbook: Playbook, finding: Finding, found: tuple[Exposure, ...]) -> TierChoice:
    counted = exposed(playbook.scope, found)
    facts = facts_of(finding, counted or found)
    if not counted:
        return TierChoice(None, facts, _out(found))
    doubt = any(e.standing is Standing.UNKNOWN for e in counted)
    tail = "; whether it is affected is unknown, counted as exposed" if doubt else ""
    for tier in playbook.tiers:
        matched = matches(tier.when, facts)
        if matched:
            why = ", ".join(matched.because) or "it takes all that is left"
            return TierChoice(tier.tier, facts, f"tier {tier.tier}: {why}{tail}")
    return TierChoice(None, facts, f"no tier of {playbook.title} matches{tail}")


def _out(found: tuple[Exposure, ...]) -> str:
    if all(e.standing is Standing.NOT_AFFECTED for e in found):
        return "not affected"
    states = ", ".join(sorted({e.container.state for e in found}))
    return f"out of the playbook's scope ({states})"


def severity_of(finding: Finding) -> Severity:
    """The worst of the finding's, the advisory's and the sender's claim; malicious or exploited means critical."""
    if finding.malicious or finding.known_exploited:
        return Severity.CRITICAL
    advisory = finding.signal.advisory
    return worst((finding.severity, finding.signal.claims.severity, *((advisory.severity,) if advisory else ())))


def facts_of(finding: Finding, exposures: tuple[Exposure, ...] = ()) -> Facts:
    """The facts of the finding alone, or of one workload's exposures of it."""
    about: dict[str, Any] = {
        "severity": severity_of(finding),
        "malicious": finding.malicious,
        "known_exploited": finding.known_exploited,
        "epss": finding.epss,
        "ecosystems": _ecosystems(finding, exposures),
    }
    if not exposures:
        return Facts(**about)
    workload = exposures[0].workload
    held, untold = _privileges(workload)
    return Facts(
        **about,
        data_scope=workload.data_scope.classification,
        environment=workload.environment,
        privileges=held,
        untold=untold,
        internet_exposed=workload.internet_exposed,
    )


def _privileges(workload: Workload) -> tuple[frozenset[Privilege], frozenset[Privilege]]:
    """Those it has, and those that cannot be told. A Kubernetes inventory never sees what the cloud grants."""
    p = workload.privileges
    told = {
        Privilege.PRIVILEGED: p.privileged,
        Privilege.HOST_NAMESPACE: p.host_namespace,
        Privilege.CLUSTER_ADMIN: p.cluster_admin,
        Privilege.CLOUD_ADMIN: p.cloud_admin,
    }
    held = frozenset(name for name, has in told.items() if has)
    return held, frozenset(name for name, has in told.items() if has is None)


def _ecosystems(finding: Finding, exposures: tuple[Exposure, ...]) -> frozenset[str]:
    found = {name for e in exposures if (name := _of_purl(e.component.purl))}
    advisory = finding.signal.advisory
    if not found and advisory is not None:
        found = {a.ecosystem.lower() for a in advisory.affected}
    return frozenset(found)


def _of_purl(purl: str) -> str:
    kind, _, rest = purl.removeprefix("pkg:").partition("/")
    if kind in _DISTRIBUTIONS:
        return rest.partition("/")[0].lower()
    return _ECOSYSTEMS.get(kind, kind).lower()
