"""Starts the runs that could not be started when their signals came; the signals are stored, so nothing is lost.

Owns when a pending signal is tried again. The idempotency key is the signal's id: trying again starts one run.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from anyio import to_thread
from prometheus_client import Gauge

from patchgap.errors import PatchgapError
from patchgap.incident.inbox import Inbox
from patchgap.model.signal import SignalId
from patchgap.ports import Clock, FlowStarter

_LOG = logging.getLogger(__name__)
_FLOW = "detect"


class Sweeper:
    """Asks for the run of each pending signal, at most once every `every`, doubling up to `at_most` a signal."""

    def __init__(self, inbox: Inbox, starter: FlowStarter, clock: Clock, every: timedelta, at_most: timedelta) -> None:
        self._inbox = inbox
        self._starter = starter
        self._clock = clock
        self._every = every
        self._at_most = at_most
        self._runs: dict[SignalId, str] = {}  # asked for by this process
        self._waiting: dict[SignalId, tuple[datetime, timedelta]] = {}  # when to try next, and the pause after that

    def start(self, signal: SignalId) -> str:
        """The flow run's id. Raises what the starter raises; the signal is tried again later then."""
        try:
            run = self._starter.start(_FLOW, {"signal": signal}, idempotency_key=signal, tags=(signal,))
        except PatchgapError:
            _next, pause = self._waiting.get(signal, (None, self._every))
            self._waiting[signal] = (self._clock() + pause, min(pause * 2, self._at_most))
            raise
        self._runs[signal] = run
        self._waiting.pop(signal, None)
        return run

    def see(self) -> None:
        """Raises what the starter raises where a run could not be started now."""
        self._starter.see(_FLOW)

    def sweep(self) -> int:
        """Tries what is due; how many signals still wait for a run."""
        pending = {row.id for row in self._inbox.pending()}
        self._runs = {s: run for s, run in self._runs.items() if s in pending}
        self._waiting = {s: when for s, when in self._waiting.items() if s in pending}
        for signal in sorted(pending - self._runs.keys()):
            if signal in self._waiting and self._clock() < self._waiting[signal][0]:
                continue
            try:
                self.start(signal)
            except PatchgapError as error:
                _LOG.warning("the run for %s waits: %s", signal, error)
        return len(pending - self._runs.keys())

    async def keep_sweeping(self, report: Gauge) -> None:
        """Sweeps until cancelled, whatever fails: nothing else starts what waits."""
        while True:
            try:
                report.set(await to_thread.run_sync(self.sweep))
            except PatchgapError as error:
                _LOG.warning("pending signals could not be read: %s", error)
            except Exception:  # noqa: BLE001  (logged whole; ending would leave every later signal unstarted)
                _LOG.exception("a sweep of the pending signals failed; the next one comes")
            await asyncio.sleep(self._every.total_seconds())
