"""When a pending signal is tried again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from integrations.webhooks.sweeper import Sweeper
from patchgap.incident.inbox import Inbox
from patchgap.storage import connect
from tests.integrations.webhooks.desk import CountingStarter, VirtualClock, envelope


def test_attempts_thin_out_to_a_bound_and_stop_when_started(tmp_path: Path) -> None:
    """Tried after 1, 2, 4 and then every 4 seconds, at most; once started, never again."""
    clock, starter = VirtualClock(), CountingStarter(down=True)
    inbox = Inbox(connect(f"sqlite:///{tmp_path / 'p.db'}"), clock)
    inbox.put("msg_1", "advisory", "feed", envelope(), clock())
    sweeper = Sweeper(inbox, starter, clock, timedelta(seconds=1), timedelta(seconds=4))
    tried_at = []
    for second in range(16):
        before = len(starter.asked)
        assert sweeper.sweep() == 1
        if len(starter.asked) > before:
            tried_at.append(second)
        clock.advance(seconds=1)
    assert tried_at == [0, 1, 3, 7, 11, 15]
    starter.down = False
    clock.advance(minutes=1)
    assert sweeper.sweep() == 0
    assert sweeper.sweep() == 0
    assert len(starter.asked) == len(tried_at) + 1
