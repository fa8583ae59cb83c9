"""containment_effective: each isolation of an account is whole: it stands, and no task of before runs outside it.

Owns the verdict; what an isolation consists of, and what is left outside, is its action's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from integrations.aws import capacity
from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM
from integrations.aws.actions.isolate_workloads import IsolateWorkloads
from integrations.aws.answers import ForbiddenError
from integrations.aws.evidence import each_account
from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.inventory.functions import FUNCTION
from integrations.aws.reach import live
from integrations.observed import Seen, compared, isolations
from integrations.verbs import EffectiveParameters
from patchgap.errors import NotFoundError
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Control
from patchgap.model.workload import WorkloadRef
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class ContainmentEffective:
    """Every planned isolation stands, its quarantine group lets nothing through, and no task of before runs in the groups of
    before.

    Example::

        containment_effective: {}
    """

    verb: ClassVar[str] = "containment_effective"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = IsolateWorkloads.verb
    permissions: ClassVar[tuple[str, ...]] = (*capacity.READ_PERMISSIONS, "ec2:DescribeSecurityGroups")
    parameters: ClassVar[type[Parameters]] = EffectiveParameters

    def observe(self, parameters: EffectiveParameters, situation: Situation) -> Sequence[Evidence]:  # noqa: ARG002
        """One piece of evidence a configured account. An isolation that was planned and does not stand fails, as does a
        workload that the plan could not isolate, while it is there."""
        return tuple(each_account(self.verb, situation, "isolations", _look))


def _look(account: Account, situation: Situation, seen: Seen) -> None:
    def is_there(ref: WorkloadRef) -> bool:
        if ref.kind not in (SERVICE, FUNCTION):
            return True  # tasks that no service holds: nothing tells whether they are gone
        try:
            live(situation, ref)
        except NotFoundError:
            return False
        return True

    for control in isolations(seen, situation, PLATFORM, account.name, is_there):
        _compare(control, situation, seen)


def _compare(control: Control, situation: Situation, seen: Seen) -> None:
    target = control.intent.action.target
    compared(
        seen,
        str(target),
        f"{target}: it stands apart, and nothing of it runs outside",
        lambda: list(IsolateWorkloads().differences(control.intent, situation)),
        ForbiddenError,
    )
