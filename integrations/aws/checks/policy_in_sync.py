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
from integrations.observed import Seen, in_sync, reversible
from integrations.verbs import SyncParameters
from patchgap import registry
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Intent
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
    in_sync(seen, controls, situation, lambda intent: _differences(intent, situation), ForbiddenError)
    seen.value = {"controls": [str(c.intent.action.id) for c in controls]}
    seen.passed.append(f"account {account.name}: {len(controls)} standing control(s) compared")


def _differences(intent: Intent, situation: Situation) -> list[str]:
    action: Any = registry.load().action(intent.action.verb, PLATFORM)
    return list(action.differences(intent, situation))
