"""digests_retired: nothing in an account holds an affected digest any more, and nothing can go back to one.

Owns what counts as holding a digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from integrations.aws.account import Account
from integrations.aws.accounts import PLATFORM
from integrations.aws.evidence import each_account, workloads
from integrations.aws.inventory import PERMISSIONS
from integrations.digests import digests_of, exposed_digests
from integrations.observed import Seen, named
from integrations.verbs import RetirementParameters
from patchgap.model.evidence import Evidence
from patchgap.model.workload import RunState
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class DigestsRetired:
    """No task, task definition in use, function or published version of one holds an affected digest.

    What a service or a function can go back to counts like what runs, also where a block holds its image back. Earlier
    revisions of a task definition that no service names are not looked at.

    Example::

        digests_retired: {}
    """

    verb: ClassVar[str] = "digests_retired"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = PERMISSIONS
    parameters: ClassVar[type[Parameters]] = RetirementParameters

    def observe(self, parameters: Any, situation: Situation) -> Sequence[Evidence]:  # noqa: ARG002
        """One piece of evidence a configured account."""
        return tuple(each_account(self.verb, situation, "services, tasks and functions", _look))


def _look(account: Account, situation: Situation, seen: Seen) -> None:
    retired = (situation.affected_digests | exposed_digests(situation)) - situation.patched
    holding = 0
    for w in workloads(account, situation, seen):
        for c in w.containers:
            held = next((d for d in digests_of(c) if d in retired), "")
            holding += bool(held)
            if c.state is RunState.ENDED:
                seen.passed += [f"{named(w.ref, c)} ran {held} and has ended"] * bool(held)
            elif held:
                back = "can be gone back to: it" if c.state is RunState.ROLLBACK else "it"
                seen.failed.append(f"{named(w.ref, c)}: {back} holds {held}")
            elif not isinstance(c.digest, str):
                seen.unknown.append(f"{named(w.ref, c)}: {c.digest.what}: {c.digest.reason}")
    seen.value = {"retired": sorted(retired), "holding": holding}
    if not retired:
        seen.unknown.append("no affected digest of the incident is known, so that none can be told retired")
    if not seen.failed and not seen.unknown:
        seen.passed.append(f"account {account.name}: nothing that can run holds one of {len(retired)} affected digests")
