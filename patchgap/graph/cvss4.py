"""The base score of CVSS v4.0: FIRST's table of macro vectors, and the distance from each one's worst vector.

Threat and environmental metrics are left out, as in the base scores of v2 and v3: an advisory cannot know them here.
Tables and rounding are FIRST's (specification 1.2 and its reference implementation).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

Key = tuple[int, int, int, int, int]  # EQ1, EQ2, EQ3, EQ6, EQ4

_ORDER = {
    "AV": "NALP", "AC": "LH", "AT": "NP", "PR": "NLH", "UI": "NPA",
    "VC": "HLN", "VI": "HLN", "VA": "HLN", "SC": "HLN", "SI": "HLN", "SA": "HLN",
}  # fmt: skip
_IMPACTS = ("VC", "VI", "VA", "SC", "SI", "SA")
_COLUMNS = (
    (0, 0, 1),
    (0, 0, 2),
    (0, 1, 1),
    (0, 1, 2),
    (1, 0, 1),
    (1, 0, 2),
    (1, 1, 1),
    (1, 1, 2),
    (2, 1, 1),
    (2, 1, 2),
)
_ROWS = {
    (0, 0): (10.0, 9.3, 9.6, 9.0, 9.3, 8.8, 9.2, 8.0, 7.9, 6.9),
    (0, 1): (9.5, 9.2, 9.1, 8.1, 9.2, 8.4, 8.2, 7.0, 7.1, 6.3),
    (1, 0): (9.4, 8.7, 8.9, 7.5, 8.6, 7.2, 7.6, 5.7, 6.5, 5.3),
    (1, 1): (9.0, 7.7, 7.7, 6.6, 7.4, 6.1, 5.9, 5.2, 5.8, 2.3),
    (2, 0): (8.6, 7.0, 7.4, 5.4, 7.2, 5.3, 5.7, 3.6, 4.7, 2.4),
    (2, 1): (7.3, 5.4, 5.5, 4.3, 6.1, 4.6, 5.1, 1.8, 2.4, 1.0),
}
_TABLE = {
    (*row, *column): score for row, scores in _ROWS.items() for column, score in zip(_COLUMNS, scores, strict=True)
}

_EXPLOITABILITY = ("AV", "PR", "UI")
_WORST_1 = (("NNN",), ("ANN", "NLN", "NNP"), ("PNN", "ALP"))
_WORST_2 = (("LN",), ("HN", "LP"))
_WORST_3 = (("HHH",), ("LHH", "HLH"), ("LLL",))
_WORST_4 = ((), ("HHH",), ("LLL",))
_DEPTH_1, _DEPTH_2, _DEPTH_3, _DEPTH_4 = (1, 4, 5), (1, 2), (7, 8, 10), (6, 5, 4)  # steps down to the next macro vector


def score(metrics: Mapping[str, str]) -> float:
    """The base score, 0.0 to 10.0. Raises KeyError for a metric that is missing or has no such value."""
    for name, values in _ORDER.items():
        if len(metrics[name]) != 1 or metrics[name] not in values:
            raise KeyError(name)
    if all(metrics[name] == "N" for name in _IMPACTS):
        return 0.0
    macro = _macro(metrics)
    eq1, eq2, eq3, eq6, eq4 = macro
    value = _TABLE[macro]
    lower = [0.0]  # EQ5, which threat metrics alone move, has a lower macro vector too, at no distance
    for below, depth, names, worst in (
        ([(eq1 + 1, eq2, eq3, eq6, eq4)], _DEPTH_1[eq1], _EXPLOITABILITY, _WORST_1[eq1]),
        ([(eq1, eq2 + 1, eq3, eq6, eq4)], _DEPTH_2[eq2], ("AC", "AT"), _WORST_2[eq2]),
        (_below_impact(macro), _DEPTH_3[eq3], _IMPACTS[:3], _WORST_3[eq3]),
        ([(eq1, eq2, eq3, eq6, eq4 + 1)], _DEPTH_4[eq4], _IMPACTS[3:], _WORST_4[eq4]),
    ):
        scores = [_TABLE[one] for one in below if one in _TABLE]
        if scores:
            lower.append((value - max(scores)) * _distance(metrics, names, worst) / depth)
    value = min(max(value - sum(lower) / len(lower), 0.0), 10.0)
    return math.floor(value * 10 + 0.5 + 1e-5) / 10


def _macro(m: Mapping[str, str]) -> Key:
    open_ = [m[name] == "N" for name in _EXPLOITABILITY]
    eq1 = 0 if all(open_) else 1 if any(open_) and m["AV"] != "P" else 2
    eq2 = 0 if m["AC"] == "L" and m["AT"] == "N" else 1
    eq3 = 0 if m["VC"] == m["VI"] == "H" else 1 if "H" in {m["VC"], m["VI"], m["VA"]} else 2
    eq4 = 1 if "H" in {m["SC"], m["SI"], m["SA"]} else 2
    return eq1, eq2, eq3, int(eq3 == len(_WORST_3) - 1), eq4


def _below_impact(macro: Key) -> list[Key]:
    eq1, eq2, eq3, _, eq4 = macro
    return [[(eq1, eq2, 0, 1, eq4), (eq1, eq2, 1, 0, eq4)], [(eq1, eq2, 1, 1, eq4)], []][eq3]


def _distance(metrics: Mapping[str, str], names: tuple[str, ...], worst: tuple[str, ...]) -> int:
    """Steps from the first of the worst vectors that is nowhere below it."""
    for vector in worst:
        steps = [_ORDER[n].index(metrics[n]) - _ORDER[n].index(at) for n, at in zip(names, vector, strict=True)]
        if min(steps) >= 0:
            return sum(steps)
    raise AssertionError(f"no worst vector of {names} covers {metrics}")
