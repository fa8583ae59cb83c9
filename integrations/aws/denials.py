"""An inline policy of the incident's own on a role, that denies: put there, compared, taken away.

Owns its name, and that no change of somebody else's to it is overwritten: each statement bears a digest of itself, so that
one that patchgap did not write as it stands is known.
"""

from __future__ import annotations

import json
from typing import Any

from integrations.aws.account import Account, Json
from integrations.aws.inventory.roles import name_of
from patchgap.errors import ConflictError, NotFoundError, RefusedError
from patchgap.model.codec import digest

READ_PERMISSIONS = ("iam:GetRole", "iam:GetRolePolicy")
PERMISSIONS = (*READ_PERMISSIONS, "iam:PutRolePolicy", "iam:DeleteRolePolicy")
_SERVICES_OWN = "/aws-service-role/"


def policy_name(incident: str, what: str) -> str:
    """The policy's name on the role."""
    return f"patchgap-{incident}-{what}"


def role_of(account: Account, name: str, uid: str = "") -> Json:
    """The role. Raises NotFoundError where it is gone, ConflictError where another bears its name, RefusedError for one
    that belongs to an AWS service."""
    role: Json = account.read("iam", "GetRole", RoleName=name_of(name))["Role"]
    if uid and role["RoleId"] != uid:
        raise ConflictError(
            f"account {account.name}: role {name} is another one than the planned ({role['RoleId']}, planned {uid})",
            "Refresh the inventory and plan again.",
        )
    if str(role["Path"]).startswith(_SERVICES_OWN):
        raise RefusedError(
            f"account {account.name}: role {name} belongs to an AWS service", "Nobody can put a policy on it."
        )
    return role


def document(*statements: Json) -> dict[str, Any]:
    """The policy of denying statements, each of which bears its own digest."""
    bare = [{"Effect": "Deny", **statement} for statement in statements]
    return {"Version": "2012-10-17", "Statement": [{"Sid": _sid(one), **one} for one in bare]}


def find(account: Account, role: str, policy: str) -> Json | None:
    """The policy as it stands; None where the role or the policy is gone."""
    try:
        found: Json = account.read("iam", "GetRolePolicy", RoleName=role, PolicyName=policy)["PolicyDocument"]
    except NotFoundError:
        return None
    return found


def put(account: Account, role: str, policy: str, wanted: Json) -> None:
    """Puts it there, in place of an earlier one of patchgap's. Raises ConflictError where somebody has changed it."""
    standing = find(account, role, policy)
    if standing == wanted:
        return
    _refuse_foreign(account, role, policy, standing)
    account.write("iam", "PutRolePolicy", RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(wanted))


def remove(account: Account, role: str, policy: str) -> str:
    """Takes it away; says what became of it. Raises ConflictError where somebody has changed it."""
    standing = find(account, role, policy)
    if standing is None:
        return f"policy {policy} is gone from role {role}"
    _refuse_foreign(account, role, policy, standing)
    account.write("iam", "DeleteRolePolicy", RoleName=role, PolicyName=policy)
    return f"policy {policy} is taken from role {role}"


def differences(account: Account, role: str, policy: str, wanted: Json) -> tuple[str, ...]:
    """How what stands is not that; () where it is."""
    standing = find(account, role, policy)
    if standing is None:
        return (f"policy {policy} is gone from role {role}",)
    return () if standing == wanted else (f"policy {policy} of role {role} is not as it was set",)


def is_own(standing: Json) -> bool:
    """Whether every statement is as patchgap wrote it."""
    statements = standing.get("Statement")
    return isinstance(statements, list) and all(
        isinstance(s, dict) and s.get("Sid") == _sid({k: v for k, v in s.items() if k != "Sid"}) for s in statements
    )


def _refuse_foreign(account: Account, role: str, policy: str, standing: Json | None) -> None:
    if standing is not None and not is_own(standing):
        raise ConflictError(
            f"account {account.name}: somebody has changed policy {policy} of role {role}",
            "Undo that change or delete the policy by hand; nothing was overwritten.",
        )


def _sid(bare: Json) -> str:
    return "Patchgap" + digest(bare).removeprefix("sha256:")[:32]
