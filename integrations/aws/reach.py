"""From an incident's situation to live AWS: which workloads are there, and whether a target is still itself.

Owns the rule that the same name with another identity is another target.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.aws.account import Account, Json
from integrations.aws.accounts import Accounts
from integrations.aws.inventory.ecs import MISSING, SERVICE, parts_of, uid_of
from integrations.aws.inventory.functions import FUNCTION
from integrations.aws.inventory.reading import tags_of
from patchgap.errors import ConflictError, NotFoundError, RefusedError, UnreachableError
from patchgap.model.plan import Target
from patchgap.model.workload import WorkloadRef
from patchgap.ports import Situation

READS_SERVICE, READS_FUNCTION = "ecs:DescribeServices", "lambda:GetFunction"


@dataclass(frozen=True, slots=True)
class Live:
    """A workload as AWS has it now. `spec` is ECS's service, or Lambda's configuration of the function."""

    account: Account
    region: str
    cluster: str  # ECS's; "" for a function
    kind: str
    name: str
    uid: str
    arn: str
    spec: Json
    tags: dict[str, str]

    @property
    def label(self) -> str:
        """How a sentence names it."""
        return f"{self.kind} {self.name} in {self.region}"


def account_of(situation: Situation, name: str) -> Account:
    """The account by name, each write to it held to the kill switch. Raises NotFoundError where none is configured,
    UnreachableError where another account bears its name now."""
    accounts = situation.connections.of(Accounts)
    return accounts.known(name, situation.identities.get(name, "")).guarded(situation.may_write)


def live(situation: Situation, ref: Target | WorkloadRef) -> Live:
    """The workload as it is now. Raises NotFoundError where it is gone, ConflictError where another bears its name."""
    account = account_of(situation, ref.cluster)
    found = _service(account, ref) if ref.kind == SERVICE else _function(account, ref)
    if ref.uid and found.uid != ref.uid:
        raise ConflictError(
            f"{ref} is another one than the planned ({found.uid}, planned {ref.uid})",
            "Refresh the inventory and plan again.",
        )
    return found


def still(situation: Situation, ref: Target | WorkloadRef) -> Live | None:
    """The workload where it is still the planned one; None where it was deleted, or replaced by another. Raises
    NotFoundError for an account that is not configured any more: nothing there is known to be gone."""
    account_of(situation, ref.cluster)
    try:
        return live(situation, ref)
    except (NotFoundError, ConflictError):
        return None


def _service(account: Account, ref: Target | WorkloadRef) -> Live:
    region, cluster = parts_of(ref.namespace)
    asked = {"cluster": cluster, "services": [ref.name], "include": ["TAGS"]}
    answer = account.read("ecs", "DescribeServices", region, **asked)
    spec = next(iter(answer["services"]), None)
    if spec is None and not any(f.get("reason") == MISSING for f in answer["failures"]):
        raise UnreachableError(
            f"account {account.name} does not say whether there is a service {ref.name} in {ref.namespace}",
            "Run it again later.",
        )
    if spec is None or spec.get("status") == "INACTIVE":
        raise NotFoundError(f"account {account.name}: there is no service {ref.name} in {ref.namespace}", "It is gone.")
    tags = tags_of(spec.get("tags"))
    return Live(account, region, cluster, SERVICE, ref.name, uid_of(spec), spec["serviceArn"], spec, tags)


def _function(account: Account, ref: Target | WorkloadRef) -> Live:
    if ref.kind != FUNCTION:
        raise RefusedError(f"{ref} is no service and no function", "Stop these tasks by hand; nothing holds them.")
    got = account.read("lambda", "GetFunction", ref.namespace, FunctionName=ref.name)
    spec, tags = got["Configuration"], dict(got.get("Tags") or {})
    arn = str(spec["FunctionArn"])
    return Live(account, ref.namespace, "", FUNCTION, ref.name, arn, arn, spec, tags)
