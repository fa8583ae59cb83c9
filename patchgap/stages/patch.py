"""The mend: an image named by a person or by CI, accepted only when its SBOM proves that the affected versions are
not in it."""

from __future__ import annotations

import re

from patchgap.errors import BadInputError, RefusedError
from patchgap.incident.events import PatchNamed
from patchgap.model.finding import IncidentId
from patchgap.stages.engine import Engine
from patchgap.stages.renewal import renewed
from patchgap.stages.situation import open_state_of, situation_of

_BY_DIGEST = ("freeze_deployments", "block_artifacts", "start_patched_canary")  # they follow the named digests
_REFERENCE = re.compile(r"^(?P<repository>[a-z0-9][a-z0-9._/:-]*)@(?P<digest>sha256:[0-9a-f]{64})$")


def name_patch(engine: Engine, incident: IncidentId, reference: str, who: str) -> PatchNamed:
    """Names the patched image and lets it through the standing freezes and blocks; a canary that stands runs it next.

    Raises BadInputError for a reference without a digest, RefusedError where its SBOM does not prove it clean or its canary
    failed in this incident, or where a standing control could not be brought up to date: the mend is named then, and named
    again it tries again.
    """
    parts = _REFERENCE.match(reference)
    if parts is None:
        raise BadInputError(
            "--image", f"{reference!r} names no digest", "Write REPOSITORY@sha256:… with 64 hex digits."
        )
    digest = parts["digest"]
    state = open_state_of(engine, incident)
    situation = situation_of(engine, state)
    if situation.judge([digest])[digest].verdict != "clean":
        raise situation.no_mend(reference, digest)
    if digest in situation.given_up:
        raise RefusedError(
            f"{reference} was given up: {situation.given_up[digest]}",
            "Build another image and name that; where the canary failed for another reason, roll this one out by hand.",
        )
    artifact = engine.graph.artifact(digest)
    named = PatchNamed(reference=reference, digest=digest, sbom_ref=artifact.sbom_ref if artifact else "")
    if state.mends[-1:] != (reference,):
        engine.ledger.append(incident, named, who)
    _admit(engine, incident)
    return named


def _admit(engine: Engine, incident: IncidentId) -> None:
    """Freezes, blocks and canaries that stand are brought up to date: each observes itself out of step and applies again."""
    failed = renewed(engine, incident, lambda control, _situation: control.intent.action.verb in _BY_DIGEST)
    if failed:
        raise RefusedError(
            "the mend is named, and is not admitted everywhere yet",
            "Mend what is named there, and name the image again.",
            failed,
        )
