"""Which image an SBOM describes: the digests in its words about the image itself, and in its file's name.

Knows how tools write a digest; it knows nothing of formats. What a layer or a base image goes by is not the image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from urllib.parse import unquote

from patchgap.graph.sbom.document import DIGEST

_HEX = re.compile(r"[0-9a-f]{64}")
_IN_NAME = re.compile(r"(?<![0-9a-z])sha256[-_:=@]([0-9a-f]{64})(?![0-9a-f])")
_OF_THE_IMAGE = (
    "repodigest", "repodigests", "imageid", "manifestdigest", "manifest-digest", "manifest_digest", "image:digest",
    "image:id", "imagedigest",
)  # fmt: skip
_OF_ANOTHER = ("base", "parent", "layer", "diffid", "config:image")


def digests_in(texts: Iterable[str]) -> Iterator[str]:
    """Every digest in texts about the image, in order; a purl's `%3A` is read as `:`."""
    for text in texts:
        if "sha256" in text:
            yield from DIGEST.findall(unquote(text) if "%" in text else text)


def digest_of_hash(algorithm: str, value: str) -> Iterator[str]:
    """The digest that a checksum of the image is, where it is one."""
    if algorithm.upper().replace("-", "").replace("_", "") == "SHA256" and _HEX.fullmatch(value.lower()):
        yield f"sha256:{value.lower()}"


def names_the_image(property_name: str) -> bool:
    """Whether a property's value is a digest of the image, as Trivy, Syft and others name theirs."""
    name = property_name.lower()
    return name.endswith(_OF_THE_IMAGE) and not any(other in name for other in _OF_ANOTHER)


def digest_in_name(where: str | PurePath, *own: str) -> str:
    """The digest that the file is named after, as registries and cosign name what belongs to an image; "" where there
    is none. `own` are the file's own digests: a file may be named after its content, which is no image."""
    name = PurePath(where).name
    return next((d for d in (f"sha256:{found}" for found in _IN_NAME.findall(name.lower())) if d not in own), "")
