"""credentials_rotated: the old keys of an account are inactive, and what read them was started anew.

Owns that a rotation which was to be and is not done, or could not be, is never taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from integrations.aws import keys, redeploys
from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM
from integrations.aws.actions.rotate_credentials import RotateCredentials
from integrations.aws.evidence import each_account
from integrations.observed import Seen
from integrations.verbs import RotatedParameters
from patchgap.model.evidence import Evidence
from patchgap.model.plan import PlannedAction
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class CredentialsRotated:
    """Each rotated user's old key is inactive or gone and its secrets hold a new active one, each secret that a function
    rotates has the version that it was asked for, and the services that read them were deployed anew.

    Example::

        credentials_rotated: {}
    """

    verb: ClassVar[str] = "credentials_rotated"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = RotateCredentials.verb
    permissions: ClassVar[tuple[str, ...]] = (
        *keys.READ_PERMISSIONS,
        *redeploys.READ_PERMISSIONS,
        "secretsmanager:DescribeSecret",
    )
    parameters: ClassVar[type[Parameters]] = RotatedParameters

    def observe(self, parameters: Any, situation: Situation) -> Sequence[Evidence]:  # noqa: ARG002
        """One piece of evidence a configured account."""
        return tuple(each_account(self.verb, situation, "keys, secrets and services", _look))


def _look(account: Account, situation: Situation, seen: Seen) -> None:
    def is_mine(action: PlannedAction) -> bool:
        return action.verb == RotateCredentials.verb and action.target.cluster == account.name

    controls = [c for c in situation.controls if is_mine(c.intent.action)]
    done = {c.intent.action.id for c in controls}
    left = [a.target for a in situation.planned if is_mine(a) and a.id not in done]
    seen.failed += [f"{target}: its rotation was planned and is not done" for target in left]
    missed = [u for u in situation.uncovered if u.target.partition("/")[0] == account.name]
    seen.unknown += [f"{u.target}: {u.reason}" for u in missed if u.verb == RotateCredentials.verb]
    for control in controls:
        target = control.intent.action.target
        receipt = RotateCredentials().observe(control.intent, situation)
        differing = RotateCredentials().differences(control.intent, situation)
        seen.failed += [f"{target}: {line}" for line in differing]
        if receipt is not None and not differing:
            seen.passed.append(f"{target}: {receipt.detail[0]}")
        seen.value[str(target)] = {"differences": list(differing)}
    if not (seen.failed or seen.unknown or seen.passed):
        seen.passed.append(f"account {account.name}: nothing of the incident was to be rotated here")
