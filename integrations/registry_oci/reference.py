"""An image's address: `oci://REGISTRY/REPOSITORY@sha256:…`. A tag is refused: what it leads to is another tomorrow."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from patchgap.errors import BadInputError
from patchgap.model.exposure import repository_of

_HUB = "docker.io"
_HUB_API = "registry-1.docker.io"
_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"oci://(?P<host>[A-Za-z0-9.-]+(?::[0-9]{{1,5}})?|\[[0-9a-fA-F:]+\](?::[0-9]{{1,5}})?)"
    rf"/(?P<repository>{_NAME}(?:/{_NAME})*)(?::[\w][\w.-]{{0,127}})?@(?P<digest>sha256:[0-9a-f]{{64}})"
)


class Reference(NamedTuple):
    """An image. `host` is the registry as references name it."""

    host: str
    repository: str
    digest: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `oci://…`. Raises BadInputError."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise BadInputError(
                text[:200], "it names no image by its digest", "Write oci://REGISTRY/REPOSITORY@sha256:<64 hex digits>."
            )
        host, repository = match["host"].lower(), match["repository"]
        if host in {_HUB, "index.docker.io", _HUB_API}:
            host, repository = _HUB, repository if "/" in repository else f"library/{repository}"
        return cls(host, repository, match["digest"])

    @classmethod
    def of_image(cls, image: str, digest: str) -> Self:
        """Of an image as a pod names it (`nginx:1.27`), by the digest that it runs by. Raises BadInputError."""
        name = image.partition("@")[0]
        head, _, rest = name.partition("/")
        named = bool(rest) and ("." in head or ":" in head or head == "localhost")
        return cls.parse(f"oci://{head if named else _HUB}/{repository_of(rest if named else name)}@{digest}")

    @property
    def api(self) -> str:
        """The host that serves the API."""
        return _HUB_API if self.host == _HUB else self.host

    @property
    def name(self) -> str:
        """`REGISTRY/REPOSITORY`."""
        return f"{self.host}/{self.repository}"

    def __str__(self) -> str:
        return f"oci://{self.name}@{self.digest}"
