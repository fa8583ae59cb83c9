"""revoke_sessions: every session of the workload's role that was issued before now is refused.

Owns the moment before which sessions count as stolen. Access keys of users are no sessions: those are rotated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from integrations.aws import denials, seen
from integrations.aws import inventory as inventories
from integrations.aws.accounts import PLATFORM, Accounts
from integrations.aws.reach import account_of
from integrations.verbs import done
from patchgap.errors import NotFoundError, PatchgapError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, Situation, StandingParameters
from patchgap.registry import action

_WHAT = "sessions"
_WRITTEN = "%Y-%m-%dT%H:%M:%SZ"


class RevocationParameters(StandingParameters):
    """How long it may stand; every session of before is refused."""


@action
class RevokeSessions:
    """Denies everything to sessions of the workloads' roles that were issued before now, by an inline policy.

    New sessions are not touched. What runs holds an old one until it is restarted. A release lets those sessions in again
    that have not expired by then.

    Example::

        revoke_sessions: {}
    """

    verb: ClassVar[str] = "revoke_sessions"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.REVERSIBLE
    inverse: ClassVar[str] = "restore_sessions"
    permissions: ClassVar[tuple[str, ...]] = (*inventories.PERMISSIONS[1:], *denials.PERMISSIONS)
    parameters: ClassVar[type[Parameters]] = RevocationParameters

    def targets(self, parameters: RevocationParameters, situation: Situation) -> Iterable[Target | Uncovered]:  # noqa: ARG002
        """A target a role, naming every workload that runs as it: the unaffected lose their old sessions too."""
        affected = situation.on(PLATFORM)
        for name in dict.fromkeys(w.ref.cluster for w in affected):
            account, settings = account_of(situation, name), situation.connections.of(Accounts).settings
            users: dict[str, list[str]] = {}
            for w in inventories.inventory_of(account, settings).workloads:
                users.setdefault(w.privileges.service_account if w.privileges.token_mounted else "", []).append(
                    str(w.ref)
                )
            for w in (w for w in affected if w.ref.cluster == name):
                if not any(str(w.ref) in held for role, held in users.items() if role):
                    yield Uncovered(self.verb, str(w.ref), "it runs as no role, or is not there any more")
            mine = {str(w.ref) for w in affected}
            for role, held in users.items():
                if role and mine & set(held):
                    yield from self._target(name, role, held, mine, situation)

    def _target(
        self, name: str, role: str, held: list[str], mine: set[str], situation: Situation
    ) -> Iterable[Target | Uncovered]:
        try:
            found = denials.role_of(account_of(situation, name), role)
        except PatchgapError as error:
            yield from (Uncovered(self.verb, w, str(error)) for w in held if w in mine)
            return
        yield Target(PLATFORM, name, "", "Role", role, str(found["RoleId"]), tuple(held))

    def preview(self, parameters: RevocationParameters, target: Target, situation: Situation) -> tuple[str, ...]:  # noqa: ARG002
        """The policy, and whom it reaches. IAM has no dry run."""
        account = account_of(situation, target.cluster)
        denials.role_of(account, target.name, target.uid)
        name = denials.policy_name(str(situation.incident), _WHAT)
        standing = denials.find(account, target.name, name)
        line = f"inline policy {name}: {'create' if standing is None else 'stands already'}"
        return (line, f"{len(target.workloads)} workload(s) of it are refused by AWS until they are restarted")

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """Who may become the role, and for how long."""
        return seen.of_role(denials.role_of(account_of(situation, target.cluster), target.name, target.uid))

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The moment: now, or that of the policy that stands already; and how long a session can live."""
        account, target = account_of(situation, action.target.cluster), action.target
        role = denials.role_of(account, target.name, target.uid)
        standing = denials.find(account, target.name, denials.policy_name(str(situation.incident), _WHAT))
        own = standing if standing is not None and denials.is_own(standing) else None
        before = own["Statement"][0]["Condition"]["DateLessThan"]["aws:TokenIssueTime"] if own else None
        moment = situation.clock().astimezone(UTC).strftime(_WRITTEN)
        return {"before": before or moment, "longest": int(role.get("MaxSessionDuration") or 3600)}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Puts the policy on the same role that was planned, and reads it back: that is the proof."""
        account, target = account_of(situation, intent.action.target.cluster), intent.action.target
        denials.role_of(account, target.name, target.uid)
        denials.put(account, target.name, denials.policy_name(str(situation.incident), _WHAT), _wanted(intent))
        return _receipt(intent, self.differences(intent, situation))

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the policy stands as it was set."""
        return None if self.differences(intent, situation) else _receipt(intent, ())

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what stands is not that; () where it is, or where the role is gone with its sessions."""
        account, target = account_of(situation, intent.action.target.cluster), intent.action.target
        try:
            denials.role_of(account, target.name, target.uid)
        except NotFoundError:
            return ()
        name = denials.policy_name(str(situation.incident), _WHAT)
        return denials.differences(account, target.name, name, _wanted(intent))

    def release(self, control: Control, situation: Situation) -> Receipt:
        """Takes the policy away. Raises ConflictError where somebody has changed it."""
        account, target = account_of(situation, control.intent.action.target.cluster), control.intent.action.target
        said = denials.remove(account, target.name, denials.policy_name(str(situation.incident), _WHAT))
        return done(
            control.intent, (f"{said}: sessions of before that have not expired by {_expires(control.intent)} hold",)
        )


def _wanted(intent: Intent) -> dict[str, Any]:
    when = {"DateLessThan": {"aws:TokenIssueTime": intent.found["before"]}}
    return denials.document({"Action": "*", "Resource": "*", "Condition": when})


def _expires(intent: Intent) -> str:
    """When the last session of before is over, whatever stands then."""
    before = datetime.strptime(intent.found["before"], _WRITTEN).replace(tzinfo=UTC)
    return (before + timedelta(seconds=intent.found["longest"])).isoformat()


def _receipt(intent: Intent, left: tuple[str, ...]) -> Receipt:
    said = f"sessions of role {intent.action.target.name} issued before {intent.found['before']} are refused"
    slow = "IAM takes up to some minutes to apply it everywhere"
    return done(intent, (said, slow, *left), expires=_expires(intent), proved=not left)
