"""The incident's own security group in a VPC: it lets nothing in and nothing out.

Owns its name and its tag, that it is empty, and that a group of somebody else's is never taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from integrations.aws.account import Account, Json
from integrations.aws.inventory.reading import tags_of
from patchgap.errors import ConflictError, NotFoundError, WaitingError

PERMISSIONS = (
    "ec2:DescribeSecurityGroups",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:DeleteSecurityGroup",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
)
INCIDENT = "patchgap.dev/incident"


def vpc_of(account: Account, region: str, groups: Sequence[str]) -> str:
    """The VPC of these security groups. Raises NotFoundError where none of them is there."""
    found = account.read("ec2", "DescribeSecurityGroups", region, GroupIds=list(groups[:1]))["SecurityGroups"]
    if not found:
        raise NotFoundError(f"account {account.name}: there is no security group {groups[:1]}", "It was deleted.")
    return str(found[0]["VpcId"])


def find(account: Account, region: str, vpc: str, incident: str) -> Json | None:
    """The incident's group in the VPC. Raises ConflictError for a group of that name that is not the incident's."""
    named = [{"Name": "group-name", "Values": [_name(incident)]}, {"Name": "vpc-id", "Values": [vpc]}]
    found = account.read("ec2", "DescribeSecurityGroups", region, Filters=named)["SecurityGroups"]
    if found and tags_of(found[0].get("Tags")).get(INCIDENT) != incident:
        raise ConflictError(
            f"account {account.name}: the security group {_name(incident)} in {vpc} is not this incident's",
            "Rename or delete that group; patchgap does not take over what it did not make.",
        )
    return found[0] if found else None


def make(account: Account, region: str, vpc: str, incident: str) -> str:
    """The number of the incident's group, made where it is not there. A new group lets everything out, and a run that was
    cut off may have left it so: every rule is taken away."""
    found = find(account, region, vpc, incident)
    if found is None:
        tags = [{"Key": INCIDENT, "Value": incident}]
        made = account.write(
            "ec2",
            "CreateSecurityGroup",
            region,
            GroupName=_name(incident),
            Description="patchgap: lets nothing in and nothing out",
            VpcId=vpc,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
        )
        found = account.read("ec2", "DescribeSecurityGroups", region, GroupIds=[made["GroupId"]])["SecurityGroups"][0]
    number = str(found["GroupId"])
    if rules := list(found.get("IpPermissionsEgress") or ()):
        account.write("ec2", "RevokeSecurityGroupEgress", region, GroupId=number, IpPermissions=rules)
    if rules := list(found.get("IpPermissions") or ()):
        account.write("ec2", "RevokeSecurityGroupIngress", region, GroupId=number, IpPermissions=rules)
    return number


def rules_of(found: Any) -> int:
    """How many rules a group has: the incident's must have none."""
    return len(found.get("IpPermissionsEgress") or ()) + len(found.get("IpPermissions") or ())


def remove(account: Account, region: str, vpc: str, incident: str, *, last: Callable[[], bool]) -> str:
    """Deletes the incident's group where nothing is in it any more; says what became of it. Raises WaitingError where it
    cannot go yet and nobody comes after: `last` tells, and is asked only then."""
    found = find(account, region, vpc, incident)
    if found is None:
        return f"the quarantine group in {vpc} is gone"
    try:
        account.write("ec2", "DeleteSecurityGroup", region, GroupId=found["GroupId"])
    except NotFoundError:
        return f"the quarantine group in {vpc} is gone"
    except ConflictError:  # another workload of the incident, or a network interface that AWS has not let go of yet
        if last():
            raise WaitingError(
                f"account {account.name}: the quarantine group {found['GroupId']} is still in use, by tasks that are"
                " being stopped or by what somebody put into it",
                "It is deleted as soon as nothing is in it.",
            ) from None
        return f"the quarantine group {found['GroupId']} is still in use, and stays until the last release"
    return f"the quarantine group {found['GroupId']} is deleted"


def _name(incident: str) -> str:
    return f"patchgap-{incident}"
