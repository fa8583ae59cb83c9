"""Bringing standing policies up to date when the incident's patched or affected digests change.

Owns which controls depend on those digests; it writes nothing but what their actions write.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from integrations.kubernetes.reach import PLATFORM
from patchgap import registry
from patchgap.errors import PatchgapError
from patchgap.model.plan import Outcome, Receipt
from patchgap.ports import Situation

_BY_DIGEST = ("freeze_deployments", "block_artifacts")


def sync_patched(situation: Situation) -> tuple[Receipt, ...]:
    """Applies again every standing freeze and block whose live parameters differ, with the situation's digests.
    A receipt each; one that fails is FAILED with its reason, and the others go on."""
    receipts = []
    for control in situation.controls:
        intent = control.intent
        if intent.action.platform != PLATFORM or intent.action.verb not in _BY_DIGEST:
            continue
        action: Any = registry.load().action(intent.action.verb, PLATFORM)
        try:
            if action.differences(intent, situation):
                receipts.append(action.apply(intent, situation))
        except PatchgapError as error:
            failed = Receipt(intent.action.id, Outcome.FAILED, (str(error),))
            receipts.append(replace(failed, result=control.receipt.result))
    return tuple(receipts)
