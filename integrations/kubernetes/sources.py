"""`kubernetes://CLUSTER`: the SBOMs that trivy-operator made of a cluster's images, as SbomReport and ClusterSbomReport.

Owns how a report becomes an SBOM of its image. A cluster that does not serve them has none, and nothing is said of it; one
that will not show them is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from integrations.kubernetes.answers import ForbiddenError, NotServedError
from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.resources import CLUSTER_SBOM_REPORTS, SBOM_REPORTS, Json, Resource
from patchgap.errors import BadInputError
from patchgap.graph.sbom.document import DIGEST
from patchgap.graph.sources import Failed, Fetched, Found
from patchgap.ports import Connections
from patchgap.registry import source
from patchgap.settings import Settings

_PAGE = 20  # a report may take a megabyte


@source
class ReportSource:
    """Lists the reports of a configured cluster."""

    scheme: ClassVar[str] = "kubernetes"

    def fetch(self, address: str, connections: Connections) -> Iterator[Found]:
        """Each report's SBOM. Raises NotFoundError for a cluster that is not configured, UnreachableError."""
        cluster = connections.of(Clusters).of(address.partition("://")[2].rstrip("/"))
        for resource in (SBOM_REPORTS, CLUSTER_SBOM_REPORTS):
            try:
                for report in cluster.each(resource, page=_PAGE):
                    yield _found(report, cluster.name, resource)
            except NotServedError:
                continue
            except ForbiddenError as error:
                yield Failed(f"cluster {cluster.name}: {resource.kind}", error)

    def address_of(self, image: str, digest: str, settings: Settings) -> str:  # noqa: ARG002  (the protocol's)
        """A cluster is asked for all its reports, and for none by its image."""
        return ""


def _found(report: Json, cluster: str, resource: Resource) -> Found:
    """The report's SBOM, of the image that the report names; where it names no digest, the SBOM itself must."""
    meta: Mapping[str, Any] = report.get("metadata") or {}
    place = "/".join(str(part) for part in (meta.get("namespace"), resource.kind, meta.get("name")) if part)
    where = f"cluster {cluster}: {place}"
    held: Mapping[str, Any] = report.get("report") or {}
    components, artifact = held.get("components"), held.get("artifact") or {}
    if not isinstance(components, Mapping) or not isinstance(artifact, Mapping):
        return Failed(where, BadInputError(where, "it holds no report", "Let trivy-operator scan it again."))
    digest = str(artifact.get("digest") or "")
    return Fetched(
        where, json.dumps(components).encode(), _image(held, artifact, digest) if DIGEST.fullmatch(digest) else ""
    )


def _image(report: Mapping[str, Any], artifact: Mapping[str, Any], digest: str) -> str:
    server = str((report.get("registry") or {}).get("server") or "")
    name = str(artifact.get("repository") or "")
    return f"{server}/{name}@{digest}" if server and name else f"{name}@{digest}"
