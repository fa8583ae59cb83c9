"""The kill switch, raised between any two writes of an action: not one more is sent, and lowered, the work is finished."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from scene import ACTIONS, HOME, NOW, Scene, account, deployment, image, namespace

from integrations.kubernetes.accounts import TOKEN_TYPE
from integrations.kubernetes.transport import HttpAnswer
from patchgap import storage
from patchgap.errors import RefusedError
from patchgap.incident.stop import Stop
from patchgap.model.plan import Control, Effect, Outcome
from patchgap.ports import Situation

WRITING = [a for a in ACTIONS if a.effect in (Effect.REVERSIBLE, Effect.IRREVERSIBLE)]
MOST = 40  # writes of one action


class Raising:
    """A transport after whose nth write somebody stops everything."""

    def __init__(self, held: Any, switch: Stop, nth: int) -> None:
        self.held, self.switch, self.nth, self.sent = held, switch, nth, 0

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        """Sends; a write that is no dry run is counted."""
        answer: HttpAnswer = self.held.send(method, url, headers, body)
        if method != "GET" and "dryRun" not in url + (body or b"").decode() and "selfsubject" not in url:
            self.sent += 1
            if self.sent == self.nth:
                self.switch.raise_("wrong cluster", "dana", NOW)
        return answer

    def bearer(self, token: str) -> Any:
        """The held transport's."""
        return self.held.bearer(token)


@pytest.fixture
def situation(control_plane: Any, tmp_path: Path) -> tuple[Scene, Situation]:
    """A trainer with its account and its token, of an incident whose writes ask a real switch."""
    scene = Scene(control_plane, tmp_path)
    meta = {"name": "trainer-token", "namespace": "training"}
    named = {**meta, "annotations": {"kubernetes.io/service-account.name": "trainer"}}
    scene.make(
        namespace(),
        namespace(HOME),
        account(),
        {"apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE, "metadata": named},
        deployment(picture=image("sha256:" + "a" * 64), serviceAccountName="trainer"),
    )
    return scene, scene.situation(scene.workload("trainer"))


@pytest.mark.parametrize("action", WRITING, ids=lambda a: a.verb)
def test_raised_between_two_writes_it_stops_the_next(
    situation: tuple[Scene, Situation], tmp_path: Path, action: Any
) -> None:
    """After the first write, after the second, and so on to the last; then the way back, the same."""
    scene, plain = situation
    switch = Stop(storage.connect(f"sqlite:///{tmp_path / 'switch.db'}"))
    guarded = Situation(**{**vars(plain), "may_write": switch.may_write})
    reached = scene.seen_by("admin")
    [target] = scene.targets(action, guarded)
    intent = scene.intent(action, target, guarded)

    def stopped_at_each(work: Any) -> int:
        """Runs it, stopped after its first write; again, after its second; and so on to the end. How often it was
        stopped."""
        for stops in range(MOST):
            transport = Raising(reached._transport, switch, stops + 1)
            reached._transport = transport  # type: ignore[assignment]
            try:
                receipt = work()
            except RefusedError as refused:
                assert "dana raised it" in str(refused)
                assert transport.sent == transport.nth, "a write was sent while the switch stood"
            else:
                assert transport.sent <= transport.nth, "it wrote on while the switch stood"
                assert receipt.outcome is Outcome.DONE
                return stops
            finally:
                reached._transport = transport.held
                switch.lower("go on", "kim", NOW)
            scene.settle()
        raise AssertionError(f"{action.verb} was not through after {MOST} writes")

    stopped_at_each(lambda: action.apply(intent, guarded))
    scene.settle()
    receipt = action.observe(intent, guarded)
    assert receipt
    if action.inverse:
        stopped_at_each(lambda: action.release(Control(intent, receipt, NOW), guarded))
