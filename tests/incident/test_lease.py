"""Leases: two engines on one database, each a process of its own; one acts, the other waits, and a lost one writes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made import KEY, OPENED, Ticking

from patchgap.errors import RefusedError
from patchgap.incident.events import PersonCalled
from patchgap.incident.lease import LeaseLostError, Leases
from patchgap.incident.ledger import Ledger
from patchgap.model.finding import IncidentId
from patchgap.storage import connect

OTHER = """
import sys
from datetime import UTC, datetime
from patchgap.errors import PatchgapError
from patchgap.incident.events import PersonCalled
from patchgap.incident.lease import Leases
from patchgap.incident.ledger import Ledger
from patchgap.storage import connect

url, incident, life = sys.argv[1], sys.argv[2], float(sys.argv[3])
engine = connect(url)
leases, ledger = Leases(engine, life=life), Ledger(engine, lambda: datetime.now(UTC))
with leases.hold(incident) as token:
    print(token, flush=True)
    for line in sys.stdin:
        try:
            leases.must_hold(incident, token)
            ledger.under(token).append(incident, PersonCalled(line.strip()), "other")
        except PatchgapError as error:
            print(type(error).__name__, flush=True)
        else:
            print("written", flush=True)
"""


class Desk:
    """The engine of this process on the database, with one open incident."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = connect(url)
        self.ledger = Ledger(self.engine, Ticking())
        self.incident, _ = self.ledger.open(KEY, OPENED, "detect")

    def leases(self, life: float = 0.4, patience: float = 5.0) -> Leases:
        return Leases(self.engine, life=life, patience=patience)

    @contextmanager
    def another(self, life: float = 0.4) -> Iterator[subprocess.Popen[str]]:
        """Another engine that holds the lease; it writes to the ledger what it is told on stdin."""
        command = [sys.executable, "-c", OTHER, self.url, self.incident, str(life)]
        with subprocess.Popen(  # noqa: S603  (itself)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            assert said(child) == "1"
            try:
                yield child
            finally:
                child.kill()


def said(child: subprocess.Popen[str], line: str = "") -> str:
    """What it answers."""
    assert child.stdin
    assert child.stdout
    if line:
        child.stdin.write(line + "\n")
        child.stdin.flush()
    return child.stdout.readline().strip()


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Desk:
    return Desk(database_url)


def test_one_acts_and_the_other_waits_until_it_is_done(desk: Desk) -> None:
    """While the other gives signs of life nobody else gets the lease; once it is done, at once."""
    with desk.another() as child:
        assert said(child, "I act") == "written"
        with pytest.raises(RefusedError, match="is acting on"), desk.leases(patience=1.0).hold(desk.incident):
            pass
        assert child.stdin
        child.stdin.close()
        child.wait(10)
        with desk.leases().hold(desk.incident) as token:
            assert token == 2


def test_an_engine_that_was_paused_past_its_lease_writes_nothing_more(desk: Desk) -> None:
    """Stopped, it gives no sign of life; another takes over; continued, it is refused, and the ledger has none of it."""
    with desk.another() as child:
        os.kill(child.pid, signal.SIGSTOP)
        with desk.leases().hold(desk.incident) as token:
            os.kill(child.pid, signal.SIGCONT)
            assert token == 2
            assert said(child, "too late") == "LeaseLostError"
            desk.ledger.under(token).append(desk.incident, PersonCalled("in time"), "here")
        assert said(child, "later still") == "LeaseLostError"
    called = [e.body.why for e in desk.ledger.read(desk.incident) if isinstance(e.body, PersonCalled)]
    assert called == ["in time"]


def test_an_engine_that_was_killed_on_this_machine_is_not_waited_for(desk: Desk) -> None:
    """Its process is gone, and that can be seen: its long lease is taken at once."""
    with desk.another(life=600) as child:
        child.kill()
        child.wait(10)
        with desk.leases(life=600, patience=1.0).hold(desk.incident) as token:
            assert token == 2


def test_the_ledger_takes_no_entry_of_an_earlier_token(desk: Desk) -> None:
    """Also where nobody asked before: it is the same transaction."""
    leases = desk.leases()
    with leases.hold(desk.incident) as first:
        pass
    with leases.hold(desk.incident) as second:
        assert second > first
        head = desk.ledger.read(desk.incident)[-1].hash
        with pytest.raises(LeaseLostError, match="took over"):
            desk.ledger.under(first).append(desk.incident, PersonCalled("late"), "here")
        with pytest.raises(LeaseLostError, match="took over"):
            desk.ledger.under(first).append_if(desk.incident, head, PersonCalled("late"), "here")
        assert desk.ledger.under(second).append_if(desk.incident, head, PersonCalled("now"), "here")


def test_the_threads_of_one_engine_share_its_lease(desk: Desk) -> None:
    """They wait for nobody, and it is free when the last is done."""
    leases, tokens = desk.leases(patience=0.5), []
    inside = threading.Barrier(3)

    def work() -> None:
        with leases.hold(desk.incident) as token:
            inside.wait(10)
            tokens.append(token)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens == [1, 1, 1]
    with desk.leases(patience=0.5).hold(desk.incident) as token:
        assert token == 2


def test_another_incident_is_another_lease(desk: Desk) -> None:
    """Two incidents are handled side by side."""
    with desk.another(), desk.leases(patience=0.5).hold(IncidentId("inc-20261124-aaaa")) as token:
        assert token == 1
