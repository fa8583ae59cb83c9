"""policy_in_sync at GitHub: every freeze of promotion that stands is live as it was set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from integrations.github.actions.freeze_deployments import PLATFORM, FreezePromotion
from integrations.observed import Seen, evidence, in_sync, reversible
from integrations.verbs import SyncParameters
from patchgap.errors import NotFoundError, UnreachableError
from patchgap.model.evidence import Evidence
from patchgap.model.plan import Intent
from patchgap.ports import Parameters, Situation
from patchgap.registry import check


@check
class PolicyInSync:
    """Each environment and each ruleset that the incident holds is live as it was set, and nobody else has changed it.

    Example::

        policy_in_sync: {}
    """

    verb: ClassVar[str] = "policy_in_sync"
    platform: ClassVar[str] = PLATFORM
    about: ClassVar[str] = ""
    permissions: ClassVar[tuple[str, ...]] = ("Metadata: read", "Actions: read", "Administration: read")
    parameters: ClassVar[type[Parameters]] = SyncParameters

    def observe(self, parameters: Any, situation: Situation) -> Sequence[Evidence]:  # noqa: ARG002
        """One piece of evidence for all of GitHub: a freeze is asked for by its repository, now."""
        begun, seen = situation.clock(), Seen()
        controls = reversible(situation.controls, PLATFORM, "")
        in_sync(seen, controls, situation, lambda intent: _differs(intent, situation), UnreachableError)
        seen.value = {"controls": [str(c.intent.action.id) for c in controls]}
        seen.passed.append(f"GitHub: {len(controls)} standing control(s) compared")
        return (evidence(self.verb, seen, "GitHub: environments and rulesets (live)", begun),)


def _differs(intent: Intent, situation: Situation) -> list[str]:
    try:
        return [] if FreezePromotion().observe(intent, situation) else ["somebody lets it through, or has changed it"]
    except NotFoundError:
        return []  # what is gone promotes nothing
