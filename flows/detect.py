"""Detect: a stored signal, or one by hand, becomes an incident (and is responded to) or a recorded reason why not."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from prefect import get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Failed

from flows import artifacts, osv_text, parameters
from flows.process import engine
from flows.respond import respond
from flows.stage import completed, ended, stage, tagged, unit, within
from patchgap.errors import BadInputError
from patchgap.incident.heading import headline
from patchgap.model.finding import IncidentId
from patchgap.model.signal import SignalId
from patchgap.stages import detect as stages
from patchgap.stages.detect import Detected
from patchgap.stages.situation import state_of


@unit("take in the signal by {source}")
def _take_in(source: str, document: dict[str, Any]) -> SignalId:
    return stages.receive(engine(), document, source)


@unit("join {signal} with what runs here")
def _join(signal: str) -> Detected:
    return stages.detect(engine(), SignalId(signal))


def _name() -> str:
    given = flow_run.parameters or {}
    return f"detect {given.get('signal') or given.get('package') or 'an advisory by hand'}"


@stage("detect", _name)
def detect(
    signal: parameters.SignalId = None,
    advisory: parameters.Advisory = None,
    package: parameters.Package = None,
    versions: parameters.Versions = [],  # noqa: B006  (the form's default; never changed)
    severity: parameters.Severity = "unknown",
    malicious: parameters.Malicious = False,
    known_exploited: parameters.KnownExploited = False,
    epss: parameters.Epss = None,
    reported_by: parameters.Reporter = None,
) -> State[Any]:
    """Joins a signal with what runs here. Where a playbook wakes, the incident is opened and responded to at once; where
    that fails, this fails.

    Give one of: a stored signal's id, an OSV advisory, or a package with its versions."""
    if sum(x is not None for x in (signal, advisory, package)) != 1:
        raise BadInputError("the form", "give one of signal, advisory and package", "Fill in exactly one of the three.")
    if signal is None:
        if reported_by is None:
            raise BadInputError("reported_by", "who reports it is not said", "A yes to its plan must be another's.")
        claims = {"severity": severity, "malicious": malicious, "known_exploited": known_exploited, "epss": epss}
        osv = osv_text.document(advisory, "advisory") if advisory is not None else by_hand(str(package), versions)
        document = {"kind": "advisory", "source": reported_by, "claims": claims, "advisory": osv}
        signal = _take_in(reported_by, document)
    found = _join(signal)
    artifacts.finding(found)
    get_run_logger().info("%s", found.reason)
    if found.incident is None:
        return completed(f"no incident: {found.reason}")
    if not found.new:
        stands = headline(state_of(engine(), found.incident))
        return completed(f"joined {found.incident}: {found.reason}; {stands}")
    with tagged(found.incident):
        response = within(respond, found.incident)
    return answered(found.incident, response)


def answered(incident: IncidentId, response: State[Any]) -> State[Any]:
    """The last state: that of the response to the incident that was opened, in its words."""
    told = f"opened {incident}; {ended(response)}"
    return Failed(message=told) if response.is_failed() else completed(told)


def by_hand(package: str, versions: list[str]) -> dict[str, Any]:
    """An OSV document for a package that a person names; the same words make the same document."""
    ecosystem, _, name = package.partition("/")
    if not versions:
        raise BadInputError("versions", "none is named", f"List the affected versions of {name}.")
    affected = {"package": {"ecosystem": ecosystem, "name": name}, "versions": sorted(versions)}
    slug = json.dumps([ecosystem, name, sorted(versions)])
    return {"id": f"MANUAL-{hashlib.sha256(slug.encode()).hexdigest()[:12]}", "affected": [affected]}
