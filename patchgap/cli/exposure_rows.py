"""An exposure answer as rows, for CSV: one an exposure, and one for each thing that could not be told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from patchgap.model.claimed import running_now
from patchgap.model.exposure import Exposure, ExposureAnswer
from patchgap.model.unknown import Unknown

UNKNOWN = "unknown"


def rows(answer: ExposureAnswer) -> Iterator[dict[str, Any]]:
    """`row` tells an exposure from an unknown; what an SBOM does not say is empty, what nobody knows says so."""
    for one in answer.exposures:
        yield _exposure(one)
    yield from untold(answer.unknown)


def untold(unknown: Iterable[Unknown]) -> Iterator[dict[str, Any]]:
    """One row each."""
    for one in unknown:
        yield {"row": UNKNOWN, "what": one.what, "reason": one.reason}


COLUMNS = (
    "row", "standing", "component", "version", "purl", "direct", "chains", "cluster", "namespace", "kind", "name",
    "environment", "region", "replicas", "running", "state", "container", "image", "digest", "commit", "sbom",
    "classification", "writes_to", "internet_exposed", "service_account", "cluster_admin", "privileged",
    "host_namespace", "capabilities", "what", "reason", "more_chains", "source",
)  # fmt: skip


def _exposure(one: Exposure) -> dict[str, Any]:
    workload, held = one.workload, one.workload.privileges
    return {
        "row": "exposure",
        "standing": one.standing.value,
        "component": one.component.name,
        "version": one.component.version,
        "purl": one.component.purl,
        "direct": UNKNOWN if one.direct is None else one.direct,
        "chains": [" > ".join(chain) for chain in one.chains],
        "cluster": workload.ref.cluster,
        "namespace": workload.ref.namespace,
        "kind": workload.ref.kind,
        "name": workload.ref.name,
        "environment": workload.environment,
        "region": workload.region,
        "replicas": workload.replicas,
        "running": running_now(workload),
        "state": one.container.state.value,
        "container": one.container.name,
        "image": one.artifact.repository,
        "digest": one.artifact.digest,
        "commit": one.artifact.commit,
        "sbom": one.artifact.sbom_ref,
        "classification": workload.data_scope.classification.value,
        "writes_to": workload.data_scope.writes_to,
        "internet_exposed": UNKNOWN if workload.internet_exposed is None else workload.internet_exposed,
        "service_account": held.service_account,
        "cluster_admin": UNKNOWN if held.cluster_admin is None else held.cluster_admin,
        "privileged": held.privileged,
        "host_namespace": held.host_namespace,
        "capabilities": held.capabilities,
        "reason": one.vex,
        "more_chains": UNKNOWN if one.more_chains is None else one.more_chains,
        "source": one.component.source,
    }
