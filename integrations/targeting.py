"""From the exposed workloads to targets, on every platform alike: what cannot be read is uncovered, never left out.

How a workload is read live is each platform's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from patchgap.errors import PatchgapError
from patchgap.model.plan import Target, Uncovered
from patchgap.model.workload import Workload, WorkloadRef
from patchgap.ports import Action, Situation

L = TypeVar("L")  # a workload as its platform has it now


def each_live(
    action: Action,
    situation: Situation,
    live: Callable[[Situation, WorkloadRef], L],
    served: Callable[[Workload, L], Target | str],
) -> Iterator[Target | Uncovered]:
    """A target an exposed workload of the action's platform, or why there is none. `served` gets what `live` read and
    answers with the target, or with a reason."""
    for workload in situation.on(action.platform):
        try:
            answer = served(workload, live(situation, workload.ref))
        except PatchgapError as error:
            answer = str(error)
        yield answer if isinstance(answer, Target) else Uncovered(action.verb, str(workload.ref), answer)
