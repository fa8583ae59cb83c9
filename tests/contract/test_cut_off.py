"""Every action survives being cut off: the answer to any of its writes is lost, and the next run finishes the work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from scene import ACTIONS, HOME, Scene, account, deployment, image, namespace

from integrations.kubernetes.accounts import TOKEN_TYPE
from integrations.kubernetes.transport import HttpAnswer
from patchgap.errors import UnreachableError
from patchgap.model.plan import Effect, Outcome


class Cut:
    """A transport that loses the answer to the nth write: the server has done it, and nobody was told."""

    def __init__(self, held: Any, nth: int) -> None:
        self.held = held
        self.left = nth

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        """Sends, and raises where this was the nth write."""
        answer: HttpAnswer = self.held.send(method, url, headers, body)
        if method != "GET" and "dryRun" not in url and "selfsubject" not in url:
            self.left -= 1
            if self.left == 0:
                raise UnreachableError("cut off", "Run it again.")
        return answer

    def bearer(self, token: str) -> Any:
        """The held transport's."""
        return self.held.bearer(token)


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "action",
    [a for a in ACTIONS if a.effect is not Effect.READS],
    ids=lambda a: a.verb if not isinstance(a, int) else a,
)
def test_a_run_that_was_cut_off_is_finished_by_the_next(
    control_plane: Any, tmp_path: Path, action: Any, nth: int
) -> None:
    """After losing the answer to its nth write, the same intents are applied to the end, and then stand."""
    scene = Scene(control_plane, tmp_path)
    secret = {"apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE}
    meta = {"name": "trainer-token", "namespace": "training"}
    scene.make(
        namespace(),
        namespace(HOME),
        account(),
        {**secret, "metadata": {**meta, "annotations": {"kubernetes.io/service-account.name": "trainer"}}},
        deployment(picture=image("sha256:" + "a" * 64), serviceAccountName="trainer"),
    )
    situation = scene.ready_for(action, scene.workload("trainer"))
    intents = [scene.intent(action, target, situation) for target in scene.targets(action, situation)]
    reached = scene.seen_by("admin")
    cut = Cut(reached._transport, nth)
    reached._transport = cut
    try:
        for intent in intents:
            action.apply(intent, situation)
    except UnreachableError:
        assert cut.left == 0
    finally:
        reached._transport = cut.held
    scene.settle()
    assert {action.apply(intent, situation).outcome for intent in intents} == {Outcome.DONE}
    scene.settle()
    assert all(action.observe(intent, situation) for intent in intents)
