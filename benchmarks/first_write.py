"""From a signed webhook's receipt to the first containing write in the cluster, on a running `patchgap up`.

The baseline is the same with Prefect's stock process worker in place of the warm one. Prints both and their ratio;
exits 1 where the warm one is not under the limit. Loopback only; the cluster is the rehearsal's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx

from flows import osv_text
from flows.drill.scenario import FOLDER, load
from flows.drill.stage import leave_this_machines_own, settings_for
from flows.drill.world import World
from flows.runtime import local
from flows.runtime.children import Child
from flows.runtime.stack import Stack
from integrations.rehearsal import fleet
from integrations.webhooks.sign import sign
from patchgap.graph.sbom.read import read_sbom
from patchgap.incident.events import IntentMade, ReceiptMade
from patchgap.model.plan import ActionId, Effect
from patchgap.model.signal import SignalId
from patchgap.stages.engine import Engine

LIMIT_SECONDS = 5.0
PATIENCE_SECONDS = 120.0


class StockStack(Stack):
    """The same, served by `prefect worker start` once our worker has declared the deployments."""

    def _start(self) -> None:
        super()._start()
        for name, child in self._children:
            if name == "worker":
                child.stop()
        self._children = [(name, child) for name, child in self._children if name != "worker"]
        environ = self._environ | self.address.environ()
        log = self.settings.home / "prefect" / "stock.log"
        child = Child.start("prefect", ["worker", "start", "--pool", "patchgap"], environ, log)
        self._open.callback(child.stop)
        self._await(child, lambda: log.is_file() and "started!" in log.read_text(), "the stock worker")


def now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


def measure(kind: type[Stack]) -> float:
    """Seconds from receipt to first write, in a world of its own."""
    before = dict(os.environ)
    scenario = load("compromised-dependency")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        secret = leave_this_machines_own(home)
        try:
            with World(home, scenario) as world:
                settings = settings_for(scenario, home, world)
                engine = Engine.open(settings, now)
                for path in fleet.sboms():
                    engine.graph.add_sbom(read_sbom(path, None), now())
                with kind(settings) as stack:
                    local.run("refresh-inventory", {}, home)
                    signal = _post(stack, secret, scenario.advisory)
                    return _first_write(engine, signal) - engine.inbox.get(signal).received_at.timestamp()
        finally:
            os.environ.clear()
            os.environ.update(before)


def _post(stack: Stack, secret: str, advisory: str) -> SignalId:
    osv = osv_text.document((FOLDER / advisory).read_text(encoding="utf-8"), advisory)
    claims = {"known_exploited": True}
    body = json.dumps({"kind": "advisory", "source": "benchmark", "claims": claims, "advisory": osv}).encode()
    headers = sign(secret, "benchmark-1", now(), body)
    answer = httpx.post(f"{stack.receiver_url}/v1/signals", content=body, headers=headers, trust_env=False)
    answer.raise_for_status()
    return SignalId(answer.json()["signal"])


def _first_write(engine: Engine, signal: SignalId) -> float:
    """When the first receipt of an action that changes a control plane was recorded: just after its write."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        incident = engine.inbox.get(signal).incident
        writes: set[ActionId] = set()
        for entry in engine.ledger.read(incident) if incident else ():
            if isinstance(entry.body, IntentMade) and entry.body.intent.action.effect is not Effect.READS:
                writes.add(entry.body.intent.action.id)
            if isinstance(entry.body, ReceiptMade) and entry.body.receipt.action in writes:
                return entry.at.timestamp()
        time.sleep(0.2)
    raise SystemExit(f"nothing was written within {PATIENCE_SECONDS:g} s of the signal")


def main() -> int:
    """Runs both and prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    warm, stock = ([measure(kind) for _ in range(rounds)] for kind in (Stack, StockStack))
    for name, seconds in (("warm", warm), ("stock", stock)):
        told = ", ".join(f"{s:.1f}" for s in seconds)
        print(f"signal to first containing write, {name} worker: {told} s; median {median(seconds):.1f} s")
    print(f"the stock worker takes {median(stock) / median(warm):.1f} times as long; the limit is {LIMIT_SECONDS:g} s")
    return 0 if median(warm) < LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
