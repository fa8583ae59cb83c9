"""A receiver that is killed the moment it has answered has lost nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx

from integrations.webhooks.sign import sign
from patchgap.incident.inbox import Inbox
from patchgap.storage import connect
from tests.integrations.webhooks.desk import SECRET, Opening, envelope

RECEIVER = """
import sys, threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from integrations.webhooks.receiver import create_app
from integrations.webhooks.server import serving
from patchgap.graph.store import Graph
from patchgap.incident.approvers import Approvers
from patchgap.incident.inbox import Inbox
from patchgap.incident.ledger import Ledger
from patchgap.incident.links import Links
from patchgap.settings import Settings, WebhookSettings
from patchgap.stages.consent import Desk
from patchgap.storage import connect
from tests.integrations.webhooks.desk import CountingStarter

clock = lambda: datetime.now(UTC)
url = "sqlite:///" + sys.argv[1]
settings = Settings(home=Path(), database_url=url, webhook=WebhookSettings(secret="env:TEST_WEBHOOK_SECRET"))
app = create_app(settings, Inbox(connect(url), clock), CountingStarter(down=True), clock, graph=Graph(connect(url)), consent=Desk(Ledger(connect(url), clock), Approvers(connect(url), clock), Links(settings.home), clock), sweep_every=timedelta(hours=1))
with serving(app) as address:
    print(address.url, flush=True)
    threading.Event().wait()
"""


def test_what_was_answered_survives_a_kill_and_is_started_once_after_it(tmp_path: Path, opening: Opening) -> None:
    """SIGKILL right after the 202, with no engine to start runs: the next receiver finds the signal and starts it."""
    database, raw = tmp_path / "patchgap.db", json.dumps(envelope()).encode()
    words = [sys.executable, "-c", RECEIVER, str(database)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)  # noqa: S603  (the script above)
    try:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        headers = sign(SECRET, "msg_1", datetime.now(UTC), raw)
        answer = httpx.post(f"{url}/v1/signals", content=raw, headers=headers, trust_env=False, timeout=30)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert (answer.status_code, answer.json()["pending"]) == (202, True)
    held = Inbox(connect(f"sqlite:///{database}"), lambda: datetime.now(UTC)).get(answer.json()["signal"])
    assert held.document == envelope()
    with opening() as after:
        assert after.starter.started.wait(10)
        assert list(after.starter.runs) == [answer.json()["signal"]]
