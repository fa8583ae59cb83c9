"""capture_forensics: what an AWS workload was, kept before anything of it is changed.

Owns where a capture is put; what it holds is `captures`' to know. Logs stay where the workload writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from integrations.aws import captures
from integrations.aws.accounts import PLATFORM
from integrations.aws.reach import live
from integrations.keeping import Place, digest_of, keep, kept, place_of
from integrations.targeting import each_live
from integrations.verbs import CHANGES_EVIDENCE, ForensicsParameters, done
from patchgap.errors import RefusedError
from patchgap.model.plan import Control, Effect, Intent, PlannedAction, Receipt, Target, Uncovered
from patchgap.ports import Parameters, Situation
from patchgap.registry import action


@action
class CaptureForensics:
    """Keeps a service's or function's definition, tasks, versions, network and roles' policies in a folder or a bucket.

    Log groups are named in the definitions and not copied; no secret's value is read.

    Example::

        capture_forensics: {}
    """

    verb: ClassVar[str] = "capture_forensics"
    platform: ClassVar[str] = PLATFORM
    effect: ClassVar[Effect] = Effect.READS
    inverse: ClassVar[str] = ""
    precedes: ClassVar[tuple[str, ...]] = CHANGES_EVIDENCE
    permissions: ClassVar[tuple[str, ...]] = captures.PERMISSIONS
    parameters: ClassVar[type[Parameters]] = ForensicsParameters

    def targets(self, parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:  # noqa: ARG002
        """The workloads themselves."""
        return each_live(self, situation, live, lambda w, _: Target.of(w.ref))

    def preview(self, parameters: Any, target: Target, situation: Situation) -> tuple[str, ...]:  # noqa: ARG002
        """Where it would be kept; nothing in the account changes."""
        live(situation, target)
        return (f"definitions, tasks, network and roles are kept in {_place(situation, target).shown}",)

    def find(self, action: PlannedAction, situation: Situation) -> Mapping[str, Any]:
        """Nothing: a capture changes nothing."""
        live(situation, action.target)
        return {}

    def apply(self, intent: Intent, situation: Situation) -> Receipt:
        """Keeps the files, once: what the first run saw is nearer to the incident. Raises ConflictError where a file of it
        was changed since."""
        target = intent.action.target
        place = _place(situation, target)
        if not kept(place):
            keep(place, _captured(situation, target), situation.may_write)
        return _receipt(intent, place)

    def observe(self, intent: Intent, situation: Situation) -> Receipt | None:
        """A receipt where every file is there with the digest that the index gives it."""
        place = _place(situation, intent.action.target)
        return _receipt(intent, place) if kept(place) else None

    def release(self, control: Control, situation: Situation) -> Receipt:  # noqa: ARG002
        """There is nothing to undo."""
        raise RefusedError("capture_forensics changes nothing and cannot be released", "Leave it out of recover.")


def _place(situation: Situation, target: Target) -> Place:
    """Another object of the same name has another place."""
    name = f"{target.kind}-{target.name}-{digest_of(target.uid.encode())[7:15]}"
    return place_of(situation.connections.settings, str(situation.incident), target.cluster, target.namespace, name)


def _captured(situation: Situation, target: Target) -> dict[str, bytes]:
    documents = captures.documents_of(live(situation, target))
    documents["captured"] = {
        "at": situation.clock().isoformat(timespec="seconds"),
        "incident": str(situation.incident),
        "target": str(target),
        "uid": target.uid,
        "missing": [f"{name}: {why}" for name, d in documents.items() for why in dict.fromkeys(captures.missing(d))],
    }
    return {f"{n}.json": json.dumps(d, indent=2, sort_keys=True).encode() for n, d in documents.items()}


def _receipt(intent: Intent, place: Place) -> Receipt:
    files = kept(place)
    captured = json.loads(place.read("captured.json") or b"{}")
    said = f"{len(files)} documents in {place.shown}"
    return done(intent, (said, *captured.get("missing", ())), folder=place.shown, files=dict(files))
