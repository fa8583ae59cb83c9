"""The kill switch, raised between any two writes of an action: not one more is sent, and lowered, the work is finished."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from scene import ACTIONS, HOME, NOW, Scene, account, deployment, image, namespace

from integrations.kubernetes.accounts import TOKEN_TYPE
from integrations.kubernetes.transport import HttpAnswer
from patchgap import storage
from patchgap.errors import RefusedError, WaitingError
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
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer with its account and its token."""
    made = Scene(control_plane, tmp_path)
    meta = {"name": "trainer-token", "namespace": "training"}
    named = {**meta, "annotations": {"kubernetes.io/service-account.name": "trainer"}}
    made.make(
        namespace(),
        namespace(HOME),
        account(),
        {"apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE, "metadata": named},
        deployment(picture=image("sha256:" + "a" * 64), serviceAccountName="trainer"),
    )
    return made


@pytest.mark.parametrize("action", WRITING, ids=lambda a: a.verb)
def test_raised_between_two_writes_it_stops_the_next(scene: Scene, tmp_path: Path, action: Any) -> None:
    """After the first write, after the second, and so on to the last; then the way back, the same."""
    plain = scene.ready_for(action, scene.workload("trainer"))
    switch = Stop(storage.connect(f"sqlite:///{tmp_path / 'switch.db'}"))
    guarded = Situation(**{**vars(plain), "may_write": switch.may_write})
    reached = scene.seen_by("admin")

    def stopped_at_each(work: Any) -> int:
        """Runs it, stopped after its first write; again, after its second; and so on to the end. How often it was
        stopped."""
        for stops in range(MOST):
            transport = Raising(reached._transport, switch, stops + 1)
            reached._transport = transport  # type: ignore[assignment]
            said, receipt = "", None
            try:
                receipt = work()
            except WaitingError:
                said = "waits"
            except RefusedError as refused:
                said = str(refused)
            finally:
                reached._transport = transport.held
                switch.lower("go on", "kim", NOW)
            if receipt is not None:
                assert transport.sent <= transport.nth, "it wrote on while the switch stood"
                assert receipt.outcome is Outcome.DONE
                return stops
            assert said == "waits" or "dana raised it" in said
            assert said == "waits" or transport.sent == transport.nth, "a write was sent while the switch stood"
            scene.settle()
        raise AssertionError(f"{action.verb} was not through after {MOST} writes")

    for target in scene.targets(action, guarded):
        intent = scene.intent(action, target, guarded)
        stopped_at_each(partial(action.apply, intent, guarded))
        scene.settle()
        receipt = action.observe(intent, guarded)
        assert receipt
        if action.inverse:
            stopped_at_each(partial(action.release, Control(intent, receipt, NOW), guarded))
