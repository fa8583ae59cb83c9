"""How long a drill waits for anything, and what it says where that did not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from integrations.rehearsal import RehearsalCluster
from patchgap.errors import PatchgapError

PATIENCE = 60.0  # seconds that any one act may take


def until(look: Callable[[], Any], good: Callable[[Any], bool], what: str, every: float = 0.2) -> Any:
    """What was seen once it is good, looked for every so many seconds. Raises PatchgapError after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not good(seen := look()):
        if time.monotonic() > deadline:
            raise PatchgapError(f"{what} did not come within {PATIENCE:g} s", "See the logs in the drill's folder.")
        time.sleep(every)
    return seen


def settled(cluster: RehearsalCluster) -> None:
    """Waits until the cluster's controllers have done what there is to do. Raises PatchgapError after PATIENCE."""
    try:
        cluster.settle(PATIENCE)
    except TimeoutError as error:
        raise PatchgapError(str(error), "Play the drill again when this machine has less to do.") from error
