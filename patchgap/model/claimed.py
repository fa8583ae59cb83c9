"""What exposure documents claim, in the words that mark it: a claim is never taken for what a cluster answered."""

from __future__ import annotations

from patchgap.model.workload import Workload

PLATFORM = "claimed"  # no integration serves it
SUFFIX = " (claimed)"  # after the cluster's name


def is_claimed(workload: Workload) -> bool:
    """Whether an exposure document alone says that it runs: its replicas are what was written, and nobody counted them."""
    return workload.ref.platform == PLATFORM


def running_now(workload: Workload) -> str:
    """How many run, for a person; of a claim nobody has counted them."""
    return "unknown" if is_claimed(workload) else str(workload.running)
