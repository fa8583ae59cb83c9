"""What exposure documents claim, in the words that mark it: a claim is never taken for what a cluster answered."""

from __future__ import annotations

PLATFORM = "claimed"  # no integration serves it
SUFFIX = " (claimed)"  # after the cluster's name
