"""credentials_rotated: what the incident was to rotate in an account and nothing could is not taken for rotated.

patchgap rotates no credentials on AWS yet: each workload there whose rotation a playbook asks for is uncovered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM
from integrations.aws.evidence import each_account
from integrations.kubernetes.checks.credentials_rotated import CredentialsRotated as OnKubernetes
from integrations.kubernetes.live import Seen
from patchgap.model.evidence import Evidence
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class CredentialsRotated:
    """No workload of the account was to be rotated and could not be.

    Example::

        credentials_rotated: {}
    """

    verb: ClassVar[str] = "credentials_rotated"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = OnKubernetes.about
    permissions: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[type[Parameters]] = OnKubernetes.parameters

    def observe(self, parameters: Any, situation: Situation) -> Sequence[Evidence]:  # noqa: ARG002
        """One piece of evidence a configured account."""

        def look(account: Account, seen: Seen) -> None:
            mine = [u for u in situation.uncovered if u.target.partition("/")[0] == account.name]
            seen.unknown += [f"{u.target}: {u.reason}" for u in mine if u.verb == self.about]
            if not seen.unknown:
                seen.passed.append(f"account {account.name}: nothing of the incident was to be rotated here")

        return tuple(each_account(self.verb, situation, "rotations", look))
