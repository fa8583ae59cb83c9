"""policy_in_sync: every control that stands in an account is live as it was set.

Owns the comparison of controls with the account; what a control consists of is its action's to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from integrations.aws import capacity, deployers, images, pipelines
from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM
from integrations.aws.answers import ForbiddenError
from integrations.aws.evidence import each_account
from integrations.observed import Seen, compared, reversible
from integrations.verbs import SyncParameters
from patchgap import registry
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Control
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class PolicyInSync:
    """Each standing control of the account is live as it was set, and nobody else has changed it.

    Example::

        policy_in_sync: {}
    """

    verb: ClassVar[str] = "policy_in_sync"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = (
        *capacity.READ_PERMISSIONS,
        *images.READ_PERMISSIONS,
        *pipelines.READ_PERMISSIONS[1:],
        *deployers.READ_PERMISSIONS,
        "ec2:DescribeSecurityGroups",
    )
    parameters: ClassVar[type[Parameters]] = SyncParameters

    def observe(self, parameters: Any, situation: Situation) -> Sequence[Evidence]:  # noqa: ARG002
        """One piece of evidence a configured account."""
        return tuple(each_account(self.verb, situation, "controls", _look))


def _look(account: Account, situation: Situation, seen: Seen) -> None:
    controls = reversible(situation.controls, PLATFORM, account.name)
    for control in controls:
        if control.intent.action.id in situation.release_begun:  # else nothing could ever finish it
            seen.passed.append(f"{control.intent.action}: its release was begun and is not done")
        else:
            _compared(control, situation, seen)
    seen.value = {"controls": [str(c.intent.action.id) for c in controls]}
    seen.passed.append(f"account {account.name}: {len(controls)} standing control(s) compared")


def _compared(control: Control, situation: Situation, seen: Seen) -> None:
    action: Any = registry.load().action(control.intent.action.verb, PLATFORM)
    what = str(control.intent.action)
    compared(
        seen,
        what,
        f"{what} stands as it was set",
        lambda: list(action.differences(control.intent, situation)),
        ForbiddenError,
    )
