"""package_absent: no affected version is in anything that an account runs, or would run.

Owns what of an account is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from integrations.absence import COUNTED, judge
from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM
from integrations.aws.evidence import each_account, workloads
from integrations.aws.inventory import PERMISSIONS
from integrations.observed import Seen
from integrations.verbs import AbsenceParameters
from patchgap.model.evidence import Evidence
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


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
        return tuple(each_account(self.verb, situation, "services, tasks and functions", _look))


def _look(account: Account, situation: Situation, seen: Seen) -> None:
    found = [(w.ref, c) for w in workloads(account, situation, seen) for c in w.containers if c.state in COUNTED]
    judge(found, situation, seen)
    if not seen.failed and not seen.unknown:
        seen.passed.append(f"account {account.name}: {len(found)} containers and packages hold no affected version")
