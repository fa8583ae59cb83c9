"""The access keys of an IAM user: which are there, which is the old one, and a new one in its place.

Owns that a user has two keys at most, and that a key whose secret nobody knows is found and deleted: `CreateAccessKey` has no
token that would make it idempotent, and its answer may be lost with the process that asked. So the user is tagged with the
time first in which it asks: a key made in that, and never used, is that one. Any other is a person's, and is not deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from integrations.aws import secrets
from integrations.aws.account import Account, Json
from integrations.aws.inventory.reading import tags_of
from integrations.aws.secrets import HeldKey, fingerprint, shown
from patchgap.errors import ConflictError, NotFoundError, PatchgapError, RefusedError, UnreachableError

PERMISSIONS = (
    "iam:GetUser",
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
    "iam:CreateAccessKey",
    "iam:UpdateAccessKey",
    "iam:DeleteAccessKey",
    "iam:TagUser",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
)
READ_PERMISSIONS = (*PERMISSIONS[:3], PERMISSIONS[7])
_DEACTIVATED = "patchgap.dev/deactivated"  # on a user: the key that patchgap took out of use last
_ASKED = (
    "patchgap.dev/asked-for-key"  # on a user: from when until when patchgap asked for a key last, by IAM's own clock
)
_TRY = timedelta(seconds=30)  # that such a request takes at the most


@dataclass(frozen=True, slots=True)
class Keys:
    """A user's keys, by id: whether each is active, and when it was made; `at` is the moment by IAM's own clock."""

    active: Mapping[str, bool]
    made: Mapping[str, datetime]
    at: datetime

    def named(self, one: str) -> str:
        """The key's id by its fingerprint, "" where it is gone."""
        return next((k for k in self.active if fingerprint(k) == one), "")


def user_of(account: Account, name: str, uid: str = "") -> Json:
    """The user. Raises NotFoundError where it is gone, ConflictError where another bears its name."""
    user: Json = account.read("iam", "GetUser", UserName=name)["User"]
    if uid and user["UserId"] != uid:
        raise ConflictError(
            f"account {account.name}: user {name} is another one than the planned ({user['UserId']}, planned {uid})",
            "Refresh the inventory and plan again.",
        )
    return user


def keys_of(account: Account, name: str) -> Keys:
    """The user's keys, now."""
    answer = account.read("iam", "ListAccessKeys", UserName=name)
    listed = answer["AccessKeyMetadata"]
    at = parsedate_to_datetime(str(answer["ResponseMetadata"]["HTTPHeaders"]["date"]))
    return Keys(
        {str(k["AccessKeyId"]): k["Status"] == "Active" for k in listed},
        {str(k["AccessKeyId"]): k["CreateDate"] for k in listed},
        at.astimezone(UTC),
    )


def found(account: Account, user: Json, arns: Sequence[str]) -> dict[str, Any]:
    """What a rotation starts from: fingerprints of the keys, of the one that the secrets hold, and of the one that is to be
    deleted to make room. Raises RefusedError where the secrets do not hold one key of the user."""
    name, keys = str(user["UserName"]), keys_of(account, str(user["UserName"]))
    held = {secrets.key_in(account, arn).identifier for arn in arns}
    if len(held) != 1 or not held <= set(keys.active):
        raise RefusedError(
            f"account {account.name}: the secrets do not hold one key of user {name}", "Say whose key they hold."
        )
    (old,) = held
    spent = [k for k in keys.active if k != old and _is_spent(user, k, keys)]
    return {
        "keys": sorted(fingerprint(k) for k in keys.active),
        "old": fingerprint(old),
        "room": fingerprint(spent[0]) if spent else "",
        "secrets": list(arns),
    }


def refuse_full(account: Account, user: str, state: Mapping[str, Any]) -> None:
    """Raises RefusedError where the user has two keys and none of them is planned to go."""
    theirs = [k for k in keys_of(account, user).active if fingerprint(k) not in (state["old"], state["room"])]
    if theirs:
        raise RefusedError(
            f"account {account.name}: user {user} has two keys already; {shown(theirs[0])} is in no secret",
            "Delete that key where nobody needs it: a third one cannot be made.",
        )


def replace(account: Account, user: str, state: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """A new key in all of the secrets, the one of an earlier run that was cut off where its secret is known: its id, and a
    line for each key of such a run that was deleted."""
    held = {arn: secrets.key_in(account, arn) for arn in state["secrets"]}
    new = _stored(keys_of(account, user), held.values(), state)
    gone: tuple[str, ...] = ()
    if new is None:
        at, gone = _make_room(account, user, state)
        new = _made(account, user, at)
    for arn, key in held.items():
        if key.identifier != new.identifier:
            secrets.store(account, arn, state["old"], new)
    return new.identifier, gone


def deactivate(account: Account, user: str, state: Mapping[str, Any]) -> None:
    """The old key signs nothing any more. The user is tagged with it first, so that a later rotation knows it for spent."""
    keys = keys_of(account, user)
    old = keys.named(state["old"])
    if old and keys.active[old]:
        account.write("iam", "TagUser", UserName=user, Tags=[{"Key": _DEACTIVATED, "Value": old}])
        account.write("iam", "UpdateAccessKey", UserName=user, AccessKeyId=old, Status="Inactive")


def differences(account: Account, user: str, state: Mapping[str, Any]) -> tuple[str, ...]:
    """How what stands is not a finished rotation; () where it is."""
    keys = keys_of(account, user)
    held = [secrets.key_in(account, arn) for arn in state["secrets"]]
    lines = []
    old = keys.named(state["old"])
    if old and keys.active[old]:
        lines.append(f"key {shown(old)} of user {user} is active")
    new = {k.identifier for k in held}
    if any(not keys.active.get(k) or fingerprint(k) in state["keys"] for k in new) or len(new) != 1:
        lines.append(f"the secrets do not hold one new active key of user {user}")
    return tuple(lines)


def told(account: Account, user: str, state: Mapping[str, Any]) -> str:
    """What became of the old key, and when it was last used, as IAM tells it now."""
    keys = keys_of(account, user)
    old = keys.named(state["old"])
    if not old:
        return f"the old key of user {user} is gone"
    used = _used(account, old)
    last = f"last used {used['LastUsedDate'].isoformat()} ({used['ServiceName']}, {used['Region']})" if used else ""
    return f"key {shown(old)} of user {user} is {'ACTIVE' if keys.active[old] else 'inactive'}; {last or 'never used'}"


def _stored(keys: Keys, held: Any, state: Mapping[str, Any]) -> HeldKey | None:
    fresh = (k for k in held if fingerprint(k.identifier) not in state["keys"] and k.identifier in keys.active)
    return next(fresh, None)


def _made(account: Account, user: str, at: datetime) -> HeldKey:
    """A new key. Where AWS refuses it, none was made: what is there is somebody else's. Without an answer one may have been
    made until now, and what comes after is somebody else's."""
    _ask(account, user, _time(at, at + _TRY))
    try:
        made = account.write_once("iam", "CreateAccessKey", UserName=user)["AccessKey"]
    except RefusedError:
        _ask(account, user, "")
        raise
    except UnreachableError:
        with suppress(PatchgapError):  # then the whole time stands
            _ask(account, user, _time(at, keys_of(account, user).at))
        raise
    return HeldKey(made["AccessKeyId"], made["SecretAccessKey"])


def _ask(account: Account, user: str, time: str) -> None:
    account.write("iam", "TagUser", UserName=user, Tags=[{"Key": _ASKED, "Value": time}])


def _time(since: datetime, until: datetime) -> str:
    return f"{since.timestamp():.0f}-{until.timestamp():.0f}"


def _make_room(account: Account, user: str, state: Mapping[str, Any]) -> tuple[datetime, tuple[str, ...]]:
    """Deletes what a try of patchgap's has left, and the spent key that was planned to go; the moment by IAM's clock, and
    what was left, in words. Raises ConflictError for a key that a person has made since."""
    keys = keys_of(account, user)
    gone: list[str] = []
    for key in keys.active:
        if fingerprint(key) not in state["keys"]:
            if not _is_asked_for(user_of(account, user), key, keys) or _used(account, key):
                raise ConflictError(
                    f"account {account.name}: somebody has made key {shown(key)} for user {user} meanwhile",
                    "Ask who needs it; delete it, and run this again.",
                )
            _delete(account, user, key)
            gone.append(
                f"key {shown(key)}, made while patchgap asked for one and never used, is deleted: its secret was lost"
            )
    if room := keys.named(state["room"]):
        if not _is_spent(user_of(account, user), room, keys):
            raise ConflictError(
                f"account {account.name}: key {shown(room)} of user {user} was taken into use again",
                "Ask who needs it; delete it, and plan again.",
            )
        _delete(account, user, room)
    refuse_full(account, user, state)
    return keys.at, tuple(gone)


def _delete(account: Account, user: str, key: str) -> None:
    try:
        account.write("iam", "DeleteAccessKey", UserName=user, AccessKeyId=key)
    except NotFoundError:  # sent twice
        return


def _is_spent(user: Json, key: str, keys: Keys) -> bool:
    """Whether patchgap itself took the key out of use, in an earlier incident, and nobody has taken it back."""
    return not keys.active[key] and tags_of(user.get("Tags")).get(_DEACTIVATED) == key


def _is_asked_for(user: Json, key: str, keys: Keys) -> bool:
    """Whether it was made while patchgap asked for one, by the second: an answer's date has no more."""
    time = re.fullmatch(r"([0-9]{1,12})-([0-9]{1,12})", tags_of(user.get("Tags")).get(_ASKED, ""))
    return time is not None and int(time[1]) <= int(keys.made[key].timestamp()) <= int(time[2])


def _used(account: Account, key: str) -> Json | None:
    """When it was last used; None where it never was."""
    used = account.read("iam", "GetAccessKeyLastUsed", AccessKeyId=key)["AccessKeyLastUsed"]
    return used if used.get("LastUsedDate") else None
