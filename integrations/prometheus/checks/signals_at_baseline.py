"""signals_at_baseline: every configured anomaly query has stayed at or below 0 for a while, up to now.

Owns what counts as quiet. Queries come from the settings alone: nothing of a signal is ever put into one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from integrations.observed import Seen, evidence
from integrations.prometheus.client import Prometheus, Series
from patchgap.errors import BadInputError, PatchgapError
from patchgap.model.evidence import Evidence
from patchgap.playbook.quantities import Duration, in_words
from patchgap.ports import Parameters, Situation
from patchgap.registry import check

FRESH = timedelta(minutes=2)  # the newest sample is no older; a drill does not shorten this
_FINEST, _POINTS, _FEWEST = 5_000, 5_000, 60  # a step's milliseconds; points a window at most, and at least


class BaselineParameters(Parameters):
    """How long it must have been quiet, and which queries say so."""

    quiet_for: Duration = Field(description="How long, up to now, nothing may have been above 0.", examples=["30m"])
    queries: tuple[str, ...] = Field(
        default=(),
        description="Names from `[prometheus.queries]` in the settings; all of them where none is named.",
        examples=[["training_egress"]],
    )


@dataclass(frozen=True, slots=True)
class _Window:
    """Evaluation times in milliseconds: `end`, and back from it in steps to the window's start."""

    start: int
    end: int
    step: int

    @classmethod
    def before(cls, now: datetime, length: timedelta) -> _Window:
        end, span = int(now.timestamp() * 1000), max(1, int(length.total_seconds() * 1000))
        step = max(1, min(max(span // _POINTS, _FINEST), span // _FEWEST))
        return cls(end - -(-span // step) * step, end, step)

    def times(self) -> range:
        return range(self.start, self.end + 1, self.step)


@check
class SignalsAtBaseline:
    """Passes where each query's series covers the whole time with fresh samples and none of them is above 0.

    No data is unknown, never a pass. A query is written so that it is above 0 while the anomaly lasts and has a value
    while it does not (`rate(x[5m]) > bool 5`, not `rate(x[5m]) > 5`).

    Example::

        signals_at_baseline: {quiet_for: 30m, queries: [training_egress]}
    """

    verb: ClassVar[str] = "signals_at_baseline"
    platform: ClassVar[str] = "prometheus"
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = ("GET /api/v1/query", "GET /api/v1/query_range")
    parameters: ClassVar[type[Parameters]] = BaselineParameters

    def observe(self, parameters: BaselineParameters, situation: Situation) -> Sequence[Evidence]:
        """One piece of evidence, for the one configured Prometheus."""
        now = situation.clock()
        source = "prometheus"
        try:
            prometheus = situation.connections.of(Prometheus)
            source = f"{prometheus.service.shown}: query_range"
            named = _named(prometheus.queries, parameters.queries)
        except PatchgapError as error:
            return (self._evidence(now, source, {"configured": Seen(unknown=[str(error)])}),)
        window = _Window.before(now, parameters.quiet_for)
        seen = {name: _look(prometheus, name, query, window, parameters.quiet_for) for name, query in named.items()}
        return (self._evidence(now, source, seen),)

    def _evidence(self, now: datetime, source: str, seen: Mapping[str, Seen]) -> Evidence:
        whole = Seen(
            failed=[r for s in seen.values() for r in s.failed],
            unknown=[r for s in seen.values() for r in s.unknown],
            passed=[r for s in seen.values() for r in s.passed],
            value={name: {"verdict": s.verdict, **s.value} for name, s in seen.items()},
        )
        return evidence(self.verb, whole, source, now)


def _named(configured: Mapping[str, str], wanted: Sequence[str]) -> Mapping[str, str]:
    if not configured:
        raise BadInputError(
            "settings", "no anomaly query is configured", "Name one under [prometheus.queries] in patchgap.toml."
        )
    missing = [name for name in wanted if name not in configured]
    if missing:
        raise BadInputError(
            "settings",
            f"there is no query named {', '.join(missing)}",
            f"Use one of: {', '.join(sorted(configured))}; or add it under [prometheus.queries].",
        )
    return {name: configured[name] for name in wanted or sorted(configured)}


def _look(prometheus: Prometheus, name: str, query: str, window: _Window, quiet_for: timedelta) -> Seen:
    try:
        found = prometheus.range(query, window.start, window.end, window.step)
        stamps = prometheus.sampled_at(query, window.end) if found else ()
    except PatchgapError as error:
        return Seen(unknown=[f"{name}: {error}"], value={"query": query})
    value = _summary(query, found, stamps)
    if above := _above(name, found):
        return Seen(failed=above, value=value)
    if gaps := _gaps(name, found, window) or _stale(name, stamps, window):
        return Seen(unknown=gaps, value=value)
    quiet = f"{name}: at most {value['highest']:g} for {in_words(quiet_for)}, in {value['samples']} samples"
    return Seen(passed=[quiet], value=value)


def _summary(query: str, found: Sequence[Series], stamps: Sequence[Series]) -> dict[str, Any]:
    values = [value for series in found for _, value in series.samples]
    newest = min((value for series in stamps for _, value in series.samples), default=None)
    return {
        "query": query,
        "series": len(found),
        "samples": len(values),
        "highest": max(values, default=None),
        "newest_sample": None if newest is None else _clock(int(newest * 1000)),
    }


def _above(name: str, found: Sequence[Series]) -> list[str]:
    reasons = []
    for series in found:
        high = [(at, value) for at, value in series.samples if value > 0]
        if high:
            at, value = high[-1]
            reasons.append(f"{name}: {series} was {value:g} at {_clock(at)}, above 0")
    return reasons


def _gaps(name: str, found: Sequence[Series], window: _Window) -> list[str]:
    if not any(series.samples for series in found):
        span = f"{_clock(window.start)} to {_clock(window.end)}"
        why = f"{name}: Prometheus has no data from {span}; no data is no proof."
        return [f"{why} Write the query so that it has a value while all is quiet."]
    reasons = []
    for series in found:
        times = [at for at, _ in series.samples]
        missing = sorted(set(window.times()) - set(times))
        if missing:
            reasons.append(
                f"{name}: {series} has no sample at {_clock(missing[0])} ({len(missing)} of {len(window.times())} "
                "missing); the time is not covered. Wait until it is, or mend the source."
            )
        elif times != list(window.times()):
            reasons.append(f"{name}: {series} came with samples that were not asked for. Check the source.")
    return reasons


def _stale(name: str, stamps: Sequence[Series], window: _Window) -> list[str]:
    if not stamps:
        return [f"{name}: no sample stands at {_clock(window.end)}. Check that the source is still scraped."]
    limit = window.end - FRESH / timedelta(milliseconds=1)
    return [
        f"{name}: the newest sample is of {_clock(int(taken * 1000))}, older than {in_words(FRESH)}. "
        "Check that the source is still scraped."
        for series in stamps
        for _, taken in series.samples
        if taken * 1000 < limit
    ]


def _clock(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
