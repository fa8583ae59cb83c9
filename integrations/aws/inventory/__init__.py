"""The inventory of AWS accounts: what ECS and Lambda run in the configured regions.

Owns the joining of regions into one account. A call that IAM refuses is unknown, by name; an account or a region that does
not answer is not read at all, so that its last snapshot stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM, Accounts
from integrations.aws.inventory import ecs, functions, roles
from integrations.aws.inventory.reading import Reading
from patchgap.model.workload import ClusterInventory, Workload
from patchgap.ports import Connections
from patchgap.registry import inventory
from patchgap.settings import AwsSettings

PERMISSIONS = ("sts:GetCallerIdentity", *ecs.PERMISSIONS, *functions.PERMISSIONS, *roles.PERMISSIONS)


@inventory
class AwsInventory:
    """Reads an account, region after region."""

    platform: ClassVar[str] = PLATFORM
    permissions: ClassVar[tuple[str, ...]] = PERMISSIONS

    def clusters(self, connections: Connections) -> Sequence[str]:
        """The configured accounts, in the order of the settings."""
        return connections.of(Accounts).names

    def read(self, cluster: str, connections: Connections) -> ClusterInventory:
        """Everything that the account runs, would run, or could go back to. Raises UnreachableError."""
        accounts = connections.of(Accounts)
        return inventory_of(accounts.of(cluster), accounts.settings)


def inventory_of(account: Account, settings: AwsSettings) -> ClusterInventory:
    """The account, read now."""
    identity = account.identity()
    reading = Reading(account, settings)
    found = tuple(_workloads(reading))
    return ClusterInventory(account.name, PLATFORM, found, tuple(dict.fromkeys(reading.unknown)), identity)


def _workloads(reading: Reading) -> Iterator[Workload]:
    for region in reading.account.settings.regions:
        yield from ecs.EcsReader(reading, region).workloads()
        yield from functions.FunctionReader(reading, region).workloads()
