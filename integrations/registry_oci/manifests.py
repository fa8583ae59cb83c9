"""Manifests and blobs of one repository, held to their digests, sizes and media types.

Owns what may be believed of a registry's answer: nothing that does not have the digest that it was asked for by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from integrations.registry_oci.reference import Reference
from integrations.registry_oci.transport import Transport
from patchgap.errors import BadInputError, NotFoundError
from patchgap.graph.documents import MAX_BYTES, content_digest, parse_json
from patchgap.graph.sbom.document import DIGEST

INDEXES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
MANIFESTS = frozenset(
    {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
)
CONFIGS = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
_ACCEPT = ", ".join(sorted(INDEXES | MANIFESTS))
_LARGEST = 4 * 1024 * 1024  # bytes of a manifest
_PAGES = 20
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


class Descriptor(NamedTuple):
    """What a manifest says of another content."""

    media_type: str
    digest: str
    size: int
    artifact_type: str
    annotations: Mapping[str, str]
    platform: str  # linux/arm64/v8; "" where it names none


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or an index. Of an index `config` is None and `parts` are its manifests; else they are its layers."""

    digest: str
    media_type: str
    artifact_type: str
    config: Descriptor | None
    parts: tuple[Descriptor, ...]
    subject: str  # the digest of what it is attached to, "" for nothing
    annotations: Mapping[str, str]

    @property
    def is_index(self) -> bool:
        """Whether it leads to manifests and not to layers."""
        return self.media_type in INDEXES


class Repository:
    """One repository of a registry."""

    def __init__(self, transport: Transport, reference: Reference) -> None:
        self._transport = transport
        self._repository = reference.repository
        self.name = reference.name

    def manifest(self, digest: str, size: int | None = None) -> Manifest:
        """The manifest with that digest. Raises BadInputError where the answer is another content or no manifest."""
        answer = self._transport.get(self._repository, f"manifests/{digest}", _ACCEPT, _LARGEST)
        self._hold(answer.body, digest, size)
        return self._manifest(answer.body, digest, answer.headers.get("content-type", ""))

    def tagged(self, tag: str) -> Manifest | None:
        """The manifest with that tag; None where there is none."""
        try:
            answer = self._transport.get(self._repository, f"manifests/{tag}", _ACCEPT, _LARGEST)
        except NotFoundError:
            return None
        return self._manifest(answer.body, content_digest(answer.body), answer.headers.get("content-type", ""))

    def blob(self, descriptor: Descriptor) -> bytes:
        """The content of a descriptor. Raises BadInputError where the answer is another, or it is too large to read."""
        if descriptor.size > MAX_BYTES:
            raise BadInputError(
                self._at(descriptor.digest), f"it is larger than {MAX_BYTES >> 20} MiB", "Attach a smaller one."
            )
        answer = self._transport.get(self._repository, f"blobs/{descriptor.digest}", "*/*", descriptor.size + 1)
        self._hold(answer.body, descriptor.digest, descriptor.size)
        return answer.body

    def referrers(self, digest: str) -> Iterator[Descriptor]:
        """What is attached to it: by the referrers API, or by the tag that stands for it where that is not served."""
        path: str | None = f"referrers/{digest}"
        for _ in range(_PAGES):
            try:
                answer = self._transport.get(
                    self._repository, str(path), "application/vnd.oci.image.index.v1+json", _LARGEST
                )
            except NotFoundError:
                listed = self.tagged(digest.replace(":", "-"))
                yield from listed.parts if listed and listed.is_index else ()
                return
            page = self._manifest(answer.body, content_digest(answer.body), answer.headers.get("content-type", ""))
            yield from page.parts
            following = _NEXT.search(answer.headers.get("link", ""))
            if following is None:
                return
            path = f"referrers/{digest}?{urlencode(parse_qsl(urlsplit(following[1]).query))}"
        raise BadInputError(self._at(digest), f"its referrers fill more than {_PAGES} pages", "Remove some.")

    def _hold(self, content: bytes, digest: str, size: int | None) -> None:
        found = content_digest(content)
        if found != digest:
            raise BadInputError(
                self._at(digest), f"the registry answered other content, {found}", "Ask the registry's owner why."
            )
        if size is not None and size != len(content):
            raise BadInputError(
                self._at(digest), f"it has {len(content)} bytes, and its descriptor says {size}", "Push it anew."
            )

    def _manifest(self, content: bytes, digest: str, served_as: str) -> Manifest:
        where = self._at(digest)
        document = parse_json(content, where)
        served = served_as.partition(";")[0].strip().lower()
        own = document.get("mediaType") or served
        if own not in INDEXES | MANIFESTS or (served in INDEXES | MANIFESTS and served != own):
            raise BadInputError(
                where,
                f"its media type is {str(own)[:80]!r}, served as {served[:80]!r}",
                "Push it as an OCI image manifest.",
            )
        listed = document.get("manifests" if own in INDEXES else "layers")
        if not isinstance(listed, list) or ("layers" in document and "manifests" in document):
            raise BadInputError(where, f"it is not what its media type {own} says", "Push it anew.")
        config = document.get("config")
        return Manifest(
            digest=digest,
            media_type=str(own),
            artifact_type=str(document.get("artifactType") or (_mapping(config).get("mediaType") or "")),
            config=None if own in INDEXES or config is None else _descriptor(config, where),
            parts=tuple(_descriptor(one, where) for one in listed),
            subject=str(_mapping(document.get("subject")).get("digest") or ""),
            annotations=_texts(document.get("annotations")),
        )

    def _at(self, digest: str) -> str:
        return f"oci://{self.name}@{digest}"


def _descriptor(value: Any, where: str) -> Descriptor:
    held = _mapping(value)
    digest, size, kind = held.get("digest"), held.get("size"), held.get("mediaType")
    sound = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    if not (isinstance(digest, str) and DIGEST.fullmatch(digest) and sound and isinstance(kind, str)):
        raise BadInputError(where, "a descriptor in it has no media type, size or sha256 digest", "Push it anew.")
    platform = _texts(held.get("platform"))
    parts = [platform.get(key, "") for key in ("os", "architecture", "variant", "os.version")]
    return Descriptor(
        kind, digest, int(size or 0), str(held.get("artifactType") or ""), _texts(held.get("annotations")),
        "/".join(part for part in parts if part),
    )  # fmt: skip


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> dict[str, str]:
    return {key: one for key, one in _mapping(value).items() if isinstance(one, str)}
