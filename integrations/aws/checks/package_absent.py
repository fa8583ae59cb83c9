"""package_absent: no affected version is in anything that an account runs, or would run.

Owns which containers count; what a digest holds is the graph's to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM
from integrations.aws.evidence import each_account, workloads
from integrations.aws.inventory import PERMISSIONS
from integrations.digests import digests_of
from integrations.observed import Seen, counted, named
from integrations.verbs import AbsenceParameters
from patchgap.model.evidence import Evidence
from patchgap.model.workload import Container, RunState
from patchgap.ports import DigestStanding, Parameters, Situation
from patchgap.registry import check

_COUNTED = (RunState.RUNNING, RunState.PENDING, RunState.SCHEDULED, RunState.SCALED_TO_ZERO)


@check
class PackageAbsent:
    """The live services, tasks and functions of every account, each digest judged by its SBOM.

    A digest that is not known, or that no SBOM tells of, is unknown and keeps the incident open.

    Example::

        package_absent: {}
    """

    verb: ClassVar[str] = "package_absent"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = PERMISSIONS
    parameters: ClassVar[type[Parameters]] = AbsenceParameters

    def observe(self, parameters: Any, situation: Situation) -> Sequence[Evidence]:  # noqa: ARG002
        """One piece of evidence a configured account."""

        def look(account: Account, seen: Seen) -> None:
            _look(account, situation, seen)

        return tuple(each_account(self.verb, situation, "services, tasks and functions", look))


def _look(account: Account, situation: Situation, seen: Seen) -> None:
    found = [(w.ref, c) for w in workloads(account, situation, seen) for c in w.containers if c.state in _COUNTED]
    digests = sorted({d for _, c in found for d in digests_of(c)})
    standings = situation.judge(digests)
    verdicts: Counter[str] = Counter()
    for ref, container in found:
        verdict, reason = _judged(container, standings, situation)
        verdicts[verdict] += 1
        if verdict != "clean":
            into = seen.failed if verdict == "affected" else seen.unknown
            into.append(f"{named(ref, container)} runs {reason}")
    seen.value = {"containers": len(found), "verdicts": counted(verdicts), "digests": digests}
    if not seen.failed and not seen.unknown:
        seen.passed.append(f"account {account.name}: {len(found)} containers and packages hold no affected version")


def _judged(container: Container, standings: Any, situation: Situation) -> tuple[str, str]:
    """What is known of it, and why."""
    for digest in digests_of(container):
        told: DigestStanding | None = standings.get(digest)
        if digest in situation.affected_digests or (told and told.verdict == "affected"):
            return "affected", f"{digest}: {told.reason if told else 'its SBOM holds an affected version'}"
    if not isinstance(container.digest, str):
        return "unknown", f"what is not known: {container.digest.what}: {container.digest.reason}"
    told = standings.get(container.digest)
    if told is None or told.verdict != "clean":
        return "unknown", f"{container.digest}: {told.reason if told else 'no SBOM is known for it'}"
    return "clean", ""
