"""signals_at_baseline against the rehearsal's metrics source over a real socket, on a clock of our own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from integrations.outbound import Service
from integrations.prometheus.checks.signals_at_baseline import BaselineParameters, SignalsAtBaseline
from integrations.prometheus.client import Prometheus
from integrations.rehearsal.metrics import MetricsSource
from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Evidence, Verdict

QUIET = BaselineParameters.model_validate({"quiet_for": "30m"})


class Watch:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def source(watch: Watch) -> Iterator[MetricsSource]:
    with MetricsSource(clock=watch, scrape_seconds=15) as running:
        yield running


def observe(watch: Watch, url: str, queries: dict[str, str] | None = None) -> Evidence:
    service = Service("Prometheus", url, "", 5)
    prometheus = Prometheus(service, {"egress": "egress"} if queries is None else queries)
    situation: Any = SimpleNamespace(clock=watch, connections=SimpleNamespace(of=lambda _kind: prometheus))
    (seen,) = SignalsAtBaseline().observe(QUIET, situation)
    assert seen.digest == evidence_digest(seen)
    return seen


def test_a_whole_quiet_window_passes(watch: Watch, source: MetricsSource) -> None:
    """Half an hour of samples at 0, up to now, is the baseline."""
    source.set("egress", 0)
    watch.later(minutes=40)
    assert observe(watch, source.url).verdict is Verdict.PASS


def test_one_loud_sample_in_the_window_fails(watch: Watch, source: MetricsSource) -> None:
    """A minute above 0, twenty minutes ago, fails and is named with its value."""
    source.set("egress", 0)
    watch.later(minutes=20)
    source.set("egress", 7)
    watch.later(minutes=1)
    source.set("egress", 0)
    watch.later(minutes=20)
    seen = observe(watch, source.url)
    assert seen.verdict is Verdict.FAIL
    assert "7" in seen.reasons[0]


def test_a_window_that_is_not_covered_is_unknown(watch: Watch, source: MetricsSource) -> None:
    """A series that began ten minutes ago proves nothing about half an hour."""
    source.set("egress", 0)
    watch.later(minutes=10)
    assert observe(watch, source.url).verdict is Verdict.UNKNOWN


def test_a_series_that_fell_silent_is_unknown(watch: Watch, source: MetricsSource) -> None:
    """A source that stopped being scraped is no quiet source."""
    source.set("egress", 0)
    watch.later(minutes=35)
    source.silence("egress")
    watch.later(minutes=8)
    assert observe(watch, source.url).verdict is Verdict.UNKNOWN


def test_no_series_no_query_and_no_server_are_unknown(watch: Watch, source: MetricsSource) -> None:
    """Nothing to look at is never a pass, and each kind of nothing says what to do."""
    watch.later(minutes=40)
    assert observe(watch, source.url).verdict is Verdict.UNKNOWN
    assert "prometheus.queries" in observe(watch, source.url, {}).reasons[0]
    assert observe(watch, "http://127.0.0.1:9").verdict is Verdict.UNKNOWN
