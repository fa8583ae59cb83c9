"""package_absent on every platform alike: which containers count, and what is known of each one's image.

What a digest holds is the graph's to say. Knows no platform.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.digests import digests_of
from integrations.observed import Seen, counted, named
from patchgap.model.workload import Container, RunState, WorkloadRef
from patchgap.ports import DigestStanding, Situation

COUNTED = (RunState.RUNNING, RunState.PENDING, RunState.SCHEDULED, RunState.SCALED_TO_ZERO)


def judge(found: Sequence[tuple[WorkloadRef, Container]], situation: Situation, seen: Seen) -> None:
    """Judges each container by its SBOM: what is affected has failed, what is not known is unknown, each by name. The
    counts go into `seen.value`."""
    digests = sorted({d for _, c in found for d in digests_of(c)})
    standings = situation.judge(digests)
    verdicts: Counter[str] = Counter()
    for ref, container in found:
        verdict, reason = _judged(container, standings, situation.affected_digests)
        verdicts[verdict] += 1
        if verdict != "clean":
            into = seen.failed if verdict == "affected" else seen.unknown
            into.append(f"{named(ref, container)}{reason}")
    seen.value |= {"containers": len(found), "verdicts": counted(verdicts), "digests": digests}


def _judged(container: Container, standings: Mapping[str, DigestStanding], affected: frozenset[str]) -> tuple[str, str]:
    for digest in digests_of(container):
        told: Any = standings.get(digest)
        if digest in affected or (told and told.verdict == "affected"):
            return "affected", f" runs {digest}: {told.reason if told else 'its SBOM holds an affected version'}"
    if not isinstance(container.digest, str):
        return "unknown", f": {container.digest.what}: {container.digest.reason}"
    told = standings.get(container.digest)
    if told is None or told.verdict != "clean":
        return "unknown", f" runs {container.digest}: {told.reason if told else 'no SBOM is known for it'}"
    return "clean", ""
