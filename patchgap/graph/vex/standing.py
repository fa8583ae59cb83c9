"""What many VEX statements say of one vulnerability in one component of one artifact. Pure.

The more specific product wins: the artifact by digest before the artifact by name before the package wherever it is, and a
version before none. Among equals the latest wins, and a contradiction that is left is unknown, and told.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from patchgap.graph.distribution import releases_agree, speaks_of
from patchgap.graph.purl import IMAGES, Purl, parse, with_epoch
from patchgap.graph.versions import same
from patchgap.graph.vex.vers import within
from patchgap.model.exposure import Standing
from patchgap.model.vex import VexProduct, VexStatement, VexStatus

_UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)
_INCIDENTAL = frozenset({"epoch", "checksum", "checksums", "download_url", "vcs_url", "file_name", "repository_url"})
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com"})
_SCHEME = re.compile(r"^[a-z]+://", re.IGNORECASE)
_STANDINGS = {
    VexStatus.AFFECTED: Standing.AFFECTED,
    VexStatus.NOT_AFFECTED: Standing.NOT_AFFECTED,
    VexStatus.FIXED: Standing.NOT_AFFECTED,
    VexStatus.UNDER_INVESTIGATION: Standing.UNKNOWN,
}
Rank = tuple[int, int, int]  # how well the artifact, the component and the component's qualifiers are named


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked about: a component by its purl, in an artifact by its digests (equivalents too), by purls that name it
    (an image's, the root's of its SBOM) and by BOM-Links to its SBOM."""

    component: str
    digests: frozenset[str] = frozenset()
    purls: tuple[str, ...] = ()
    refs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VexVerdict:
    """The standing, the statements that decide it, and one sentence. `status` is None where they contradict."""

    standing: Standing
    status: VexStatus | None
    statements: tuple[VexStatement, ...]
    reason: str


def standing_of(
    statements: Iterable[VexStatement], vulnerabilities: Collection[str], subject: Subject
) -> VexVerdict | None:
    """What the statements say of any of those ids (an advisory's and its aliases) in the subject; None where none does."""
    wanted = {one.lower() for one in vulnerabilities}
    about = [
        (rank, one.timestamp or _UNKNOWN_TIME, one)
        for one in statements
        if any(name.lower() in wanted for name in one.vulnerabilities)
        if (rank := _best(one, subject)) is not None
    ]
    if not about:
        return None
    top = max((rank, time) for rank, time, _ in about)
    deciding = tuple(dict.fromkeys(one for rank, time, one in about if (rank, time) == top))
    statuses = sorted({one.status for one in deciding})
    if len(statuses) > 1:
        reason = f"VEX contradicts itself: {' and '.join(statuses)}, by {_authors(deciding)}"
        return VexVerdict(Standing.UNKNOWN, None, deciding, reason)
    return _verdict(deciding)


def image_purl(repository: str, digest: str) -> str:
    """How a statement may name the image. A bare name may be an SBOM's own, of no registry."""
    where = f"?repository_url={quote(repository, safe='/:')}" if "/" in repository else ""
    return f"pkg:oci/{quote(repository.rpartition('/')[2].lower())}@{digest}{where}"


def settled(found: Standing, verdict: VexVerdict | None) -> Standing:
    """The standing to show for a component that an advisory touches: VEX's where there is one, else what matching found."""
    return found if verdict is None else verdict.standing


def _verdict(deciding: tuple[VexStatement, ...]) -> VexVerdict:
    status = deciding[0].status
    why = next((text for one in deciding if (text := one.justification or one.impact)), "")
    if status is VexStatus.NOT_AFFECTED and not why:
        reason = f"VEX of {_authors(deciding)} says not_affected without a justification"
        return VexVerdict(Standing.UNKNOWN, status, deciding, reason)
    reason = f"VEX of {_authors(deciding)} says {status}" + (f": {why}" if why else "")
    return VexVerdict(_STANDINGS[status], status, deciding, reason)


def _authors(statements: tuple[VexStatement, ...]) -> str:
    return ", ".join(sorted({one.author or "an unnamed author" for one in statements}))


def _best(statement: VexStatement, subject: Subject) -> Rank | None:
    return max((rank for one in statement.products if (rank := _rank(one, subject)) is not None), default=None)


def _rank(product: VexProduct, subject: Subject) -> Rank | None:
    """How specifically the product names the subject; None where it names another."""
    artifact = _artifact(product, subject)
    if artifact:
        if not product.subcomponents:
            return (artifact, 0, 0)
        inner = [found for one in product.subcomponents if (found := _component(one, subject.component))]
        return (artifact, *max(inner)) if inner else None
    if product.subcomponents:
        return None
    found = _component(product, subject.component)
    return (0, *found) if found else None


def _artifact(product: VexProduct, subject: Subject) -> int:
    """3 by digest, 2 by BOM-Link or a purl with a version, 1 by a purl without; 0 for another."""
    if subject.digests.intersection(product.digests):
        return 3
    if product.digests and subject.digests:
        return 0  # its name may be the same: it is another build
    if subject.refs.intersection(product.refs) and not product.versions:
        return 2
    ranks = [
        2 if parse(one).version or product.versions else 1
        for one in product.purls
        for other in subject.purls
        if _covers(product, one, other) and not _is_elsewhere(one, subject)
    ]
    return max(ranks, default=0)


def _is_elsewhere(purl: str, subject: Subject) -> bool:
    """Whether the purl names an image of another repository: two teams' images may have one name."""
    wanted, held = _repository(purl), {_repository(one) for one in subject.purls} - {""}
    return bool(wanted and held) and wanted not in held


def _repository(purl: str) -> str:
    """The repository that an image's purl names, in one spelling; "" where it names none. Some tools leave the image's
    name out of it."""
    image = parse(purl)
    told = _SCHEME.sub("", image.qualifiers.get("repository_url", "")).strip("/").lower()
    if not told or image.type not in IMAGES:
        return ""
    name = image.name.lower()
    whole = told if told.rpartition("/")[2] == name else f"{told}/{name}"
    host, _, path = whole.partition("/")
    if not path or (not any(mark in host for mark in ".:") and host != "localhost"):
        host, path = "docker.io", whole
    return f"docker.io/{path.removeprefix('library/')}" if host in _DOCKER_HUB else whole


def _component(product: VexProduct, component: str) -> tuple[int, int] | None:
    """2 with a version and 1 without, and how many qualifiers it names; None for another."""
    ranks = [
        (2 if (pattern := parse(one)).version or product.versions else 1, len(pattern.qualifiers))
        for one in product.purls
        if _covers(product, one, component)
    ]
    return max(ranks, default=None)


def _covers(product: VexProduct, purl: str, other: str) -> bool:
    """Whether the purl, which may leave out version, namespace of a distribution and qualifiers, is the other's."""
    try:
        pattern, held = with_epoch(parse(purl)), with_epoch(parse(other))
    except ValueError:
        return False
    if (pattern.ecosystem, pattern.full_name) != (held.ecosystem, held.full_name):
        return False
    if pattern.vendor and held.vendor != pattern.vendor:
        return False
    if pattern.version and same(held.ecosystem, held.version, pattern.version) is not True:
        return False
    if product.versions and not any(within(one, held.ecosystem, held.version) for one in product.versions):
        return False
    return _qualified(pattern, held) and _released(product, pattern, held)


def _qualified(pattern: Purl, held: Purl) -> bool:
    for name, value in pattern.qualifiers.items():
        if name in _INCIDENTAL or (name, value) == ("type", "jar"):
            continue
        found = held.qualifiers.get(name, "")
        if found != value and not (name == "distro" and found and releases_agree(value, found)):
            return False
    return True


def _released(product: VexProduct, pattern: Purl, held: Purl) -> bool:
    """A distribution's statement is about its own release: where the component says none, its version has to."""
    if not product.release:
        return True
    distro = held.qualifiers.get("distro", "")
    if not distro and not pattern.version:
        return False
    return speaks_of(product.release, held.namespace, distro) is True
