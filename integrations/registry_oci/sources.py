"""`oci://REGISTRY/REPOSITORY@sha256:…`: an image's SBOMs and provenance, as its registry keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrations.registry_oci.credentials import credentials_for
from integrations.registry_oci.image import read
from integrations.registry_oci.manifests import Repository
from integrations.registry_oci.reference import Reference
from integrations.registry_oci.transport import Transport
from patchgap.graph.sources import Found
from patchgap.ports import Connections
from patchgap.registry import source
from patchgap.settings import Settings

_HERE = ("localhost", "127.0.0.1", "[::1]")


@source
class RegistrySource:
    """Reads an image's registry; the credentials are those of the docker config file."""

    scheme: ClassVar[str] = "oci"

    def fetch(self, address: str, connections: Connections) -> Iterator[Found]:
        """What the registry holds of the image. Raises BadInputError, NotFoundError, RefusedError, UnreachableError."""
        reference = Reference.parse(address)
        wanted = connections.settings.registries
        known = next((one for one in wanted.hosts if one.host.lower() == reference.host), None)
        transport = Transport(
            reference.api,
            credentials_for(reference.host, wanted.docker_config),
            plain_http=known.plain_http if known else reference.host.rpartition(":")[0] in _HERE,
            timeout_seconds=wanted.timeout_seconds,
        )
        return read(Repository(transport, reference), reference.digest)

    def address_of(self, image: str, digest: str, settings: Settings) -> str:
        """The address of a running image, where its registry is configured to be asked; "" where it is not."""
        reference = Reference.of_image(image, digest)
        asked = {one.host.lower() for one in settings.registries.hosts if one.refresh}
        return str(reference) if reference.host in asked else ""
