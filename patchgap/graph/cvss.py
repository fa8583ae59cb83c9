"""The severity that a CVSS vector states: its base score, v2, v3.x or v4.0, in the specification's bands.

Knows the specifications' formulas and nothing else. A vector that does not parse gives Severity.UNKNOWN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from patchgap.graph import cvss4
from patchgap.model.signal import Severity

_V3 = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_V2 = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.66},
    "I": {"N": 0.0, "P": 0.275, "C": 0.66},
    "A": {"N": 0.0, "P": 0.275, "C": 0.66},
}
_BANDS = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))


def severity(vector: str) -> Severity:
    """The qualitative severity of a vector `CVSS:3.1/…`, `CVSS:3.0/…`, `CVSS:4.0/…` or a bare v2 one."""
    metrics = dict(part.split(":", 1) for part in vector.strip().strip("()").split("/") if ":" in part)
    version = metrics.pop("CVSS", "2")
    try:
        if version.startswith("3"):
            return band(score_v3(metrics))
        if version.startswith("4"):
            return band(cvss4.score(metrics))
        return _band_v2(score_v2(metrics))
    except KeyError:
        return Severity.UNKNOWN


def band(score: float) -> Severity:
    """The qualitative rating of a base score; 0 is LOW, since nothing is lower."""
    return next((severity for least, severity in _BANDS if score >= least), Severity.LOW)


def _band_v2(score: float) -> Severity:
    return min(band(score), Severity.HIGH, key=[*Severity].index)  # v2 knows no "critical"


def score_v3(metrics: Mapping[str, str]) -> float:
    """The base score of v3.x, 0.0 to 10.0. Raises KeyError for a metric that is missing or has no such value."""
    c, i, a = (_V3[name][metrics[name]] for name in ("C", "I", "A"))
    base = 1 - (1 - c) * (1 - i) * (1 - a)
    changed = {"U": False, "C": True}[metrics["S"]]
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if changed else 6.42 * base
    exploitability = 8.22 * _PRIVILEGES[metrics["S"]][metrics["PR"]]
    for name in ("AV", "AC", "UI"):
        exploitability *= _V3[name][metrics[name]]
    if impact <= 0:
        return 0.0
    return _round_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10.0))


def _round_up(value: float) -> float:
    """The specification's own rounding, which a binary fraction does not upset."""
    whole = round(value * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (math.floor(whole / 10_000) + 1) / 10


def score_v2(metrics: Mapping[str, str]) -> float:
    """The base score of v2, 0.0 to 10.0. Raises KeyError for a metric that is missing or has no such value."""
    c, i, a = (_V2[name][metrics[name]] for name in ("C", "I", "A"))
    impact = 10.41 * (1 - (1 - c) * (1 - i) * (1 - a))
    exploitability = 20.0
    for name in ("AV", "AC", "Au"):
        exploitability *= _V2[name][metrics[name]]
    return round(((0.6 * impact) + (0.4 * exploitability) - 1.5) * (1.176 if impact else 0.0), 1)
