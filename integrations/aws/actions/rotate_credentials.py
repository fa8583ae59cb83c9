"""rotate_credentials: the keys and secrets that a workload reads are worth nothing any more, and it gets new ones.

Owns which of the two ways a secret is rotated: a new access key of its IAM user, or its own rotation function.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from integrations.aws import inventory, keys, redeploys, secrets
from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM, Accounts
from integrations.aws.reach import account_of
from integrations.aws.secrets import Readers, Secret
from integrations.verbs import RotationParameters, done
from patchgap.errors import ConflictError, NotFoundError, RefusedError
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, Situation
from patchgap.registry import action

USER, SECRET = "IamUser", "Secret"
_CURRENT = "AWSCURRENT"


@action
class RotateCredentials:
    """Gives the IAM user whose access key a workload's secret holds a new one, into that secret alone, and deactivates the
    old key; has Secrets Manager rotate a secret that has a rotation function. ECS services that read it are deployed anew.

    Which secrets a workload reads is told by its task definition, its tag and `[[aws.accounts.rotations]]`. A role's
    sessions are no keys: `revoke_sessions` ends those.

    Example::

        rotate_credentials:
          irreversible: accept
    """

    verb: ClassVar[str] = "rotate_credentials"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.IRREVERSIBLE
    inverse: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = (
        *inventory.PERMISSIONS,
        *keys.PERMISSIONS,
        *redeploys.PERMISSIONS[1:],
        "secretsmanager:DescribeSecret",
        "secretsmanager:RotateSecret",
        "lambda:InvokeFunction",
    )
    parameters: ClassVar[type[Parameters]] = RotationParameters

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:  # noqa: ARG002
        """A target a user, or a secret that a function rotates, naming every workload that reads it: the unaffected ones
        lose the old one too."""
        for name in dict.fromkeys(w.ref.cluster for w in situation.on(PLATFORM)):
            readers, untold = _read(situation, name)
            yield from (Uncovered(self.verb, w, why) for w, why in untold)
            for (kind, named), workloads in readers.items():
                target = Target(PLATFORM, name, "", kind, named, "", tuple(sorted(workloads)))
                try:
                    found = replace(target, uid=_identity(situation, target))
                    if _begun(situation, found) is None:
                        _possible(situation, found)
                    yield found
                except (ConflictError, NotFoundError, RefusedError) as error:
                    mine = {str(w.ref) for w in situation.on(PLATFORM)}
                    yield from (Uncovered(self.verb, w, str(error)) for w in target.workloads if w in mine)

    def preview(self, parameters: Any, target: Target, situation: Situation) -> tuple[str, ...]:  # noqa: ARG002
        """What becomes of the key and of each workload. AWS has no dry run of these calls."""
        _same(situation, target)
        if _begun(situation, target) is not None:
            return ("it was rotated for this incident already; what is left of it is done",)
        state = _possible(situation, target)
        fates = tuple(redeploys.fate(w) for w in target.workloads)
        if target.kind == SECRET:
            return (f"rotated by its function {state['function'].rpartition(':')[2]}", *fates)
        room = ("the key that patchgap deactivated in an earlier incident is deleted",) if state["room"] else ()
        into = ", ".join(arn.split(":", 6)[-1] for arn in state["secrets"])
        return (*room, f"a new access key, into {into} alone; the old key: Active -> Inactive", *fates)

    def seen(self, target: Target, situation: Situation) -> Mapping[str, str]:
        """The user's keys by their fingerprints, or the secret's function and current version; of a rotation that was begun,
        as it found them."""
        begun = _begun(situation, target)
        if target.kind == SECRET:
            state = begun.intent.found if begun else _state(situation, target)
            return {"function": state["function"], "version": state.get("version", "")}
        account = account_of(situation, target.cluster)
        found = (
            begun.intent.found["keys"] if begun else map(secrets.fingerprint, keys.keys_of(account, target.name).active)
        )
        return {"access keys": ", ".join(sorted(found))}

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """The keys by their fingerprints, or the secret's function; no key and no value. A rotation that was begun goes on
        from what it found."""
        _same(situation, action.target)
        begun = _begun(situation, action.target)
        return begun.intent.found if begun else _state(situation, action.target)

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Rotates, once, and goes on where an earlier run was cut off; then deploys the readers anew, and reads back what
        stands: that the old key is inactive or the new version the current one, and every reader deployed, is the proof."""
        target, state = intent.action.target, intent.found
        account = _same(situation, target)
        gone: tuple[str, ...] = ()
        if target.kind == USER:
            new, gone = keys.replace(account, target.name, state)
            keys.deactivate(account, target.name, state)
            result = {"key": secrets.fingerprint(new)}
        else:
            version = _version(intent, situation)
            if not _labels(account, state, version):
                region = state["secret"].split(":")[3]
                asked = {"SecretId": state["secret"], "ClientRequestToken": version}
                account.write("secretsmanager", "RotateSecret", region, **asked)
            if not _is_current(account, state, version):
                return _waits(intent)
            result = {"version": version}
        fates = redeploys.redeployed(situation, target)
        left = self.differences(intent, situation)  # read back: an answer is no proof
        return done(intent, (_told(account, intent), *gone, *fates, *left), **result, proved=not left)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where the old key is inactive, or the secret's version the new one, and every reader was deployed anew;
        one that waits while the rotation function is at it."""
        target, state = intent.action.target, intent.found
        try:
            account = _same(situation, target)
        except NotFoundError:
            return done(intent, (f"{target} is gone",))
        if target.kind == SECRET:
            version = _version(intent, situation)
            labels = _labels(account, state, version)
            if labels and not _is_current(account, state, version):
                return _waits(intent)
            result = {"version": version}
        else:
            result = {"key": _new(account, state)}
        if self.differences(intent, situation):
            return None
        return done(intent, (_told(account, intent),), **result, proved=True)

    def differences(self, intent: Intent, situation: Situation) -> tuple[str, ...]:
        """How what is live differs from a finished rotation; () where it does not, or where user or secret is gone."""
        target, state = intent.action.target, intent.found
        try:
            account = _same(situation, target)
        except NotFoundError:
            return ()
        if target.kind == USER:
            lines = keys.differences(account, target.name, state)
        else:
            rotated = _is_current(account, state, _version(intent, situation))
            lines = () if rotated else (f"{target} was not rotated by its function",)
        return (*lines, *redeploys.late(situation, target))

    def release(self, control: Control, situation: Situation) -> Receipt:  # noqa: ARG002
        """What was stolen is not made good again."""
        raise RefusedError("a rotation cannot be released: the old key was stolen", "Leave it out of recover.")


def _read(situation: Situation, name: str) -> tuple[dict[tuple[str, str], list[str]], list[tuple[str, str]]]:
    """What can be rotated, with each workload of the account that reads it where an affected one does; and why not."""
    account, settings = account_of(situation, name), situation.connections.of(Accounts).settings
    affected = {str(w.ref) for w in situation.on(PLATFORM) if w.ref.cluster == name}
    readers, used, untold = Readers(account, settings), {}, []  # type: ignore[var-annotated]
    there = inventory.inventory_of(account, settings).workloads
    for workload in there:
        ref = str(workload.ref)
        found = readers.of(workload)
        if ref in affected:
            untold += [(ref, one) for one in found if not isinstance(one, Secret)]
            untold += [(ref, "nothing says which secret it reads")] * (not found)
        for one in found:
            if isinstance(one, Secret):
                used.setdefault((USER, one.user) if one.user else (SECRET, one.arn), []).append(ref)
    untold += [(ref, "it is not there any more") for ref in affected - {str(w.ref) for w in there}]
    return {k: list(dict.fromkeys(v)) for k, v in used.items() if affected & set(v)}, untold


def _identity(situation: Situation, target: Target) -> str:
    account = account_of(situation, target.cluster)
    if target.kind == SECRET:
        return str(
            account.read("secretsmanager", "DescribeSecret", target.name.split(":")[3], SecretId=target.name)["ARN"]
        )
    user = keys.user_of(account, target.name)
    if account.caller() == user["Arn"]:
        raise RefusedError("patchgap signs with this user's key: it would lock itself out", "Rotate it by hand.")
    return str(user["UserId"])


def _same(situation: Situation, target: Target) -> Account:
    """The account, where the target is still the planned one."""
    account, uid = account_of(situation, target.cluster), _identity(situation, target)
    if uid != target.uid:
        raise ConflictError(
            f"account {account.name}: {target.kind} {target.name} is another one than the planned ({uid}, planned {target.uid})",
            "Refresh the inventory and plan again.",
        )
    return account


def _begun(situation: Situation, target: Target) -> Control | None:
    """The incident's own rotation of it, done or cut off."""
    same = (c for c in situation.done_or_begun if c.intent.action.verb == RotateCredentials.verb)
    return next((c for c in same if c.intent.action.target.bare == target.bare), None)


def _state(situation: Situation, target: Target) -> dict[str, Any]:
    account, settings = account_of(situation, target.cluster), situation.connections.of(Accounts).settings
    if target.kind == SECRET:
        secret = secrets.secret_of(account, target.name, "", settings.user_tag)
        version = next((v for v, labels in secret.stages.items() if _CURRENT in labels), "")
        return {"secret": secret.arn, "function": secret.function, "version": version}
    return keys.found(account, keys.user_of(account, target.name), _secrets_of(situation, target))


def _possible(situation: Situation, target: Target) -> dict[str, Any]:
    """The same; raises RefusedError where it would be found in vain."""
    state = _state(situation, target)
    if target.kind == USER:
        keys.refuse_full(account_of(situation, target.cluster), target.name, state)
    return state


def _secrets_of(situation: Situation, target: Target) -> list[str]:
    """Every secret that holds a key of the user, as its readers tell."""
    account, settings = account_of(situation, target.cluster), situation.connections.of(Accounts).settings
    readers = Readers(account, settings)
    there = inventory.inventory_of(account, settings).workloads
    found = (one for w in there if str(w.ref) in target.workloads for one in readers.of(w))
    return sorted({one.arn for one in found if isinstance(one, Secret) and one.user == target.name})


def _version(intent: Intent, situation: Situation) -> str:
    """The new version's id: the same whenever this rotation is asked for, so that it is done once."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{situation.incident} {intent.action.id} {intent.found['secret']}"))


def _labels(account: Account, state: Mapping[str, Any], version: str) -> tuple[str, ...]:
    """The labels of that version; () where Secrets Manager does not know it."""
    region = state["secret"].split(":")[3]
    told = account.read("secretsmanager", "DescribeSecret", region, SecretId=state["secret"])
    return tuple((told.get("VersionIdsToStages") or {}).get(version) or ())


def _is_current(account: Account, state: Mapping[str, Any], version: str) -> bool:
    """Whether it is what is read now, or was until a later rotation."""
    return bool({_CURRENT, "AWSPREVIOUS"} & set(_labels(account, state, version)))


def _new(account: Account, state: Mapping[str, Any]) -> str:
    return secrets.fingerprint(secrets.key_in(account, state["secrets"][0]).identifier)


def _waits(intent: Intent) -> Receipt:
    return Receipt(intent.action.id, Outcome.WAITING, (f"the rotation function of {intent.action.target} is at it",))


def _told(account: Account, intent: Intent) -> str:
    if intent.action.target.kind == USER:
        return keys.told(account, intent.action.target.name, intent.found)
    return "its function has rotated it; that the old value is refused is the function's to do"
