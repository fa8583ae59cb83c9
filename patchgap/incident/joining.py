"""What a further signal about the same thing makes of an incident's finding: everything that any of them says counts.

Pure. It widens and never narrows: a later advisory that names fewer versions takes nothing away.
"""

from __future__ import annotations

from dataclasses import replace

from patchgap.model.finding import Finding
from patchgap.model.signal import Advisory, Claims, Signal, worst
from patchgap.playbook.tiers import severity_of


def joined(finding: Finding, signal: Signal) -> Finding:
    """The finding with the signal's advisory and claims joined to its own; its exposures are asked anew by scope."""
    both = replace(
        finding.signal,
        claims=_claims(finding.signal.claims, signal.claims),
        advisory=_advisory(finding.signal.advisory, signal.advisory),
    )
    malicious = both.claims.malicious or (both.advisory is not None and both.advisory.malicious)
    grown = replace(
        finding,
        signal=both,
        malicious=finding.malicious or malicious,
        known_exploited=finding.known_exploited or both.claims.known_exploited,
        epss=_most(finding.epss, both.claims.epss),
    )
    return replace(grown, severity=severity_of(grown))


def _claims(one: Claims, other: Claims) -> Claims:
    return Claims(
        severity=worst((one.severity, other.severity)),
        malicious=one.malicious or other.malicious,
        known_exploited=one.known_exploited or other.known_exploited,
        epss=_most(one.epss, other.epss),
    )


def _advisory(one: Advisory | None, other: Advisory | None) -> Advisory | None:
    if one is None or other is None:
        return one or other
    names = (*one.aliases, other.id, *other.aliases)
    return replace(
        one,
        affected=tuple(dict.fromkeys((*one.affected, *other.affected))),
        aliases=tuple(n for n in dict.fromkeys(names) if n != one.id),
        severity=worst((one.severity, other.severity)),
        malicious=one.malicious or other.malicious,
    )


def _most(one: float | None, other: float | None) -> float | None:
    return max((e for e in (one, other) if e is not None), default=None)
