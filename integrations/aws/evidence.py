"""Reading accounts for evidence: each asked now, and what it will not tell made into "unknown".

Owns how an observation of an account becomes Evidence. How one is weighed and sealed is the same as for a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from integrations.aws.account import Account
from integrations.aws.accounts import Accounts
from integrations.aws.inventory import inventory_of
from integrations.observed import Seen, evidence
from patchgap.errors import PatchgapError
from patchgap.model.evidence import Evidence
from patchgap.model.workload import Workload
from patchgap.ports import Situation


def each_account(
    check: str, situation: Situation, what: str, look: Callable[[Account, Situation, Seen], None]
) -> Iterator[Evidence]:
    """One piece of evidence an account, of every configured one: an affected image may run where nobody looked before.
    One that does not answer, or will not tell, is unknown, by name."""
    accounts = situation.connections.of(Accounts)
    for name in accounts.names:
        begun, seen = situation.clock(), Seen()
        try:
            look(accounts.known(name, situation.identities.get(name, ""), anew=True), situation, seen)
        except PatchgapError as error:
            seen.unknown.append(f"account {name} could not be read: {error}")
        yield evidence(check, seen, f"{name}: {what} (live)", begun)


def workloads(account: Account, situation: Situation, seen: Seen) -> tuple[Workload, ...]:
    """Every workload of the account, now; what may not be read goes to `seen.unknown`."""
    found = inventory_of(account, situation.connections.of(Accounts).settings)
    seen.unknown += [f"{u.what}: {u.reason}" for u in found.unknown]
    return found.workloads
