"""The hour's limit: counted with the intents of every incident, on both databases, whole or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from made import ACTIONS, KEY, OPENED, Ticking

from patchgap.errors import PatchgapError
from patchgap.incident.events import IntentMade
from patchgap.incident.ledger import Ledger
from patchgap.incident.quota import OverHourError
from patchgap.model.finding import IncidentId
from patchgap.model.plan import ActionId, Effect, Intent
from patchgap.storage import connect

HOLD = next(a for a in ACTIONS if a.effect is Effect.REVERSIBLE)


class Store:
    """A database with two open incidents; each `engine` has connections of its own."""

    def __init__(self, url: str) -> None:
        self.url, self.clock = url, Ticking()
        ledger = self.engine()
        self.first, _ = ledger.open(KEY, OPENED, "detect")
        signal = replace(OPENED.finding.signal, advisory=None)
        self.second, _ = ledger.open("other", replace(OPENED, finding=replace(OPENED.finding, signal=signal)), "detect")

    def engine(self, per_hour: int | None = None) -> Ledger:
        return Ledger(connect(self.url), self.clock, per_hour)


def intent(number: int, effect: Effect = Effect.REVERSIBLE) -> IntentMade:
    target = replace(HOLD.target, workloads=(f"prod/training/Deployment/w{number}",))
    return IntentMade(Intent(replace(HOLD, id=ActionId(f"act-{number:012x}"), target=target, effect=effect), {}))


def made(ledger: Ledger, incident: IncidentId) -> int:
    return sum(isinstance(e.body, IntentMade) for e in ledger.read(incident))


@pytest.fixture
def store(database_url: str) -> Store:
    return Store(database_url)


def test_two_engines_cannot_together_exceed_it(store: Store) -> None:
    """Sixteen intents from two engines for two incidents at once: the limit's five are recorded, and none more."""
    engines = (store.engine(5), store.engine(5))

    def one(number: int) -> bool:
        incident = (store.first, store.second)[number % 2]
        try:
            engines[number % 2].append(incident, intent(number), "contain")
        except OverHourError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(one, range(16))) == 5
    assert made(engines[0], store.first) + made(engines[0], store.second) == 5


def test_what_the_incident_changed_already_counts_once(store: Store) -> None:
    """The same workload by another verb, or again hours later, is nothing new; for another incident it is."""
    ledger = store.engine(1)
    for wait in (0, 10, 7200):
        store.clock.wait(wait)
        ledger.append(store.first, intent(1), "contain")
    ledger.append(store.second, intent(2), "contain")  # the first one's hour is over
    with pytest.raises(OverHourError, match="1 more workloads would be changed, 1 were within the last hour"):
        ledger.append(store.second, intent(1), "contain")


def test_reading_and_telling_count_nothing(store: Store) -> None:
    """Forensics and tickets go on whatever was changed."""
    ledger = store.engine(1)
    for number, effect in enumerate((Effect.REVERSIBLE, Effect.READS, Effect.NOTIFIES)):
        ledger.append(store.first, intent(number, effect), "contain")
    assert made(ledger, store.first) == 3


def test_a_plan_is_admitted_whole_or_not_at_all(store: Store) -> None:
    """What was admitted has its place though others come first; what has no room takes none."""
    ledger = store.engine(3)
    names = [n for number in (1, 2) for n in intent(number).intent.action.reached]
    ledger.admit(store.first, names)
    with pytest.raises(OverHourError):
        ledger.admit(store.second, ["a", "b"])
    assert ledger.over_hour(store.second, ["a", "b"])
    assert not ledger.over_hour(store.second, ["a"])
    ledger.append(store.second, intent(9), "contain")
    for number in (1, 2):
        ledger.append(store.first, intent(number), "contain")
    store.clock.wait(3601)
    ledger.admit(store.second, ["a", "b"])


def test_without_a_limit_it_is_counted_all_the_same(store: Store) -> None:
    """A limit that is set later knows what was changed in its hour."""
    store.engine().append(store.first, intent(1), "contain")
    with pytest.raises(PatchgapError, match="per_hour is 1"):
        store.engine(1).append(store.second, intent(2), "contain")
