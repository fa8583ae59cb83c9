"""What an IAM role may do, as far as IAM tells: its policies, inline and attached.

Owns what counts as administrating the cloud. A permissions boundary or an organisation's policy may take away from it;
they are not asked, so that it is never told as less than it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from integrations.aws.account import Account, Json
from patchgap.errors import NotFoundError, RefusedError
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Privileges

PERMISSIONS = (
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
)
_ADMIN = frozenset({"*", "*:*", "iam:*"})
_MOST = 100  # lines of reach


def name_of(arn: str) -> str:
    """The name of a role or user by its ARN, its path left out."""
    return arn.rpartition("/")[2]


class Roles:
    """The privileges of an account's roles, each read once."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._known: dict[str, Privileges] = {}
        self._policies: dict[str, list[Json]] = {}

    def of(self, arn: str, *, privileged: bool = False, host: bool = False, added: Sequence[str] = ()) -> Privileges:
        """The privileges of what runs as that role ("" for none), with what its containers are given besides."""
        if arn not in self._known:
            self._known[arn] = self._read(arn) if arn else Privileges("none", cluster_admin=False, cloud_admin=False)
        p = self._known[arn]
        return Privileges(
            p.service_account,
            cluster_admin=False,
            privileged=privileged,
            host_namespace=host,
            capabilities=tuple(sorted(set(added))),
            token_mounted=bool(arn),
            reach=p.reach,
            unknown=p.unknown,
            cloud_admin=p.cloud_admin,
        )

    def _read(self, arn: str) -> Privileges:
        name = name_of(arn)
        try:
            statements = [s for document in self.documents(name) for s in _statements(document)]
        except (RefusedError, NotFoundError) as error:
            return Privileges(name, cluster_admin=False, unknown=(Unknown(f"role {name}", error.problem),))
        allowed = [s for s in statements if s.get("Effect") == "Allow"]
        lines = sorted({line for s in allowed for line in _lines(s)})
        more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
        return Privileges(
            name, cluster_admin=False, reach=(*lines[:_MOST], *more), cloud_admin=any(_is_admin(s) for s in allowed)
        )

    def documents(self, name: str) -> Iterator[Json]:
        """Every policy document of the role."""
        account = self._account
        for policy in account.pages("iam", "ListAttachedRolePolicies", "AttachedPolicies", RoleName=name):
            arn = str(policy["PolicyArn"])
            if arn not in self._policies:
                version = account.read("iam", "GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
                got = account.read("iam", "GetPolicyVersion", PolicyArn=arn, VersionId=version)
                self._policies[arn] = [got["PolicyVersion"]["Document"]]
            yield from self._policies[arn]
        for policy_name in account.pages("iam", "ListRolePolicies", "PolicyNames", RoleName=name):
            got = account.read("iam", "GetRolePolicy", RoleName=name, PolicyName=policy_name)
            yield got["PolicyDocument"]


def _statements(document: Any) -> list[Json]:
    held = document.get("Statement") if isinstance(document, dict) else None
    return [held] if isinstance(held, dict) else [s for s in held or () if isinstance(s, dict)]


def listed(value: Any) -> list[str]:
    """What a policy writes as one text or as a list of them."""
    return [value] if isinstance(value, str) else [str(v) for v in value or ()]


def _lines(statement: Json) -> Iterator[str]:
    actions = listed(statement.get("Action")) or [f"all but {a}" for a in listed(statement.get("NotAction"))]
    resources = ", ".join(listed(statement.get("Resource")) or ["all but some"])
    held = " under a condition" if statement.get("Condition") else ""
    return (f"{action} on {resources}{held}" for action in actions)


def _is_admin(statement: Json) -> bool:
    """A condition may take it away; it counts all the same. What grants all but some counts too."""
    everywhere = "*" in listed(statement.get("Resource")) or bool(statement.get("NotResource"))
    return everywhere and (bool(statement.get("NotAction")) or bool(_ADMIN & set(listed(statement.get("Action")))))
