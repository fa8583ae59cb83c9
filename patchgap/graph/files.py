"""What a path holds: a folder is walked, and a file is an SBOM, provenance, VEX, an exposure document or an attestation of
them by its content, not by its name.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from patchgap.errors import BadInputError
from patchgap.graph.attestation import Statement, statements, unwrapped
from patchgap.graph.claims import Claim, parse_claim, seems
from patchgap.graph.documents import read_bytes, read_head
from patchgap.graph.provenance import SLSA, parse_provenance, repository_of_subject
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.kinds import HEAD, Kind, NotAnSbomError, kind_of, kind_of_head, names_itself
from patchgap.graph.sbom.read import NamelessError, parse_sbom
from patchgap.graph.vex import cyclonedx_protobuf, cyclonedx_xml
from patchgap.graph.vex.read import parse_vex
from patchgap.model.exposure import Artifact
from patchgap.model.vex import VexDocument

_CLAIMS = re.compile(r"(?:^|[._-])(?:cdx|cyclonedx|spdx|sbom|bom|syft|intoto)(?:[._-]|$)", re.IGNORECASE)

One = SbomDocument | tuple[Artifact, ...] | VexDocument | Claim


@dataclass(frozen=True, slots=True)
class Several:
    """What a file of several statements holds, and those that cannot be taken."""

    contents: tuple[One, ...]
    failed: tuple[BadInputError, ...]


Content = One | Several


def walk(path: Path) -> Iterator[Path]:
    """The file itself; of a folder every file below it, whatever it is called, in order. Links to folders are not
    followed, so that a ring of them ends. Raises BadInputError for an empty folder."""
    if not path.is_dir():
        yield path
        return
    found = sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    if not found:
        raise BadInputError(
            path, "it holds no file", "Name a folder that holds SBOMs, VEX, provenance or exposure documents."
        )
    yield from found


def read_file(path: Path, artifact: str | None = None) -> Content:
    """What the file holds. Raises BadInputError, and NotAnSbomError for a file that is something else and does not claim
    by its name to be an SBOM: of a folder it is passed over, with that reason."""
    try:
        head = read_head(path)
        if head and head.lstrip()[:1] != b"{" and not seems(head):
            kind_of_head(head, path)  # a large file of another kind is not read whole
        return read_content(read_bytes(path), path, artifact)
    except NotAnSbomError as error:
        if _CLAIMS.search(path.name):
            raise BadInputError(path, error.reason, error.fix) from error
        raise


def read_content(
    content: bytes, where: str | Path, artifact: str | None = None, equals: frozenset[str] = frozenset()
) -> Content:
    """What those bytes are. `artifact` is the image (`REPOSITORY@sha256:…`) where it is known, and `equals` all of its
    digests where they are known: an attestation is of one of them, and an SBOM of no other. Raises BadInputError, NotAnSbomError for another document."""
    content = content.removeprefix(codecs.BOM_UTF8)
    if not names_itself(content[:HEAD]) and seems(content) and not _is_another(content, where):
        return parse_claim(content, where)
    kind = kind_of(content, where)
    if kind is Kind.VEX:
        return parse_vex(content, where)
    if kind is Kind.PROVENANCE:
        return _attested(content, where, artifact, equals)
    return _bom(content, kind, where, artifact, equals)


def _is_another(content: bytes, where: str | Path) -> bool:
    """Whether it is a document of a kind that names itself."""
    try:
        kind_of(content, where)
    except NotAnSbomError:
        return False
    return True


def _attested(content: bytes, where: str | Path, artifact: str | None, equals: frozenset[str]) -> Content:
    """What the statements hold; where it is one, that one."""
    found: list[One] = []
    failed: list[BadInputError] = []
    for one in statements(content, where):
        try:
            found += _held(one, where, artifact, equals) if isinstance(one, Statement) else _raised(one)
        except BadInputError as error:
            failed.append(error)
    if len(found) + len(failed) == 1:
        return found[0] if found else _raised(failed[0])
    return Several(tuple(found), tuple(failed))


def _held(statement: Statement, where: str | Path, artifact: str | None, equals: frozenset[str]) -> Iterator[One]:
    """Provenance, VEX, or an SBOM: of each digest that the statement is about."""
    subjects = {digest: name for name, digest in statement.subjects if not equals or digest in equals}
    if equals and not subjects:
        raise BadInputError(
            where, "its statement is about another image than the one it was found with", "Attach it to its own."
        )
    if statement.predicate_type.startswith(SLSA):
        found = parse_provenance(statement.whole, where)
        yield tuple(one for one in found if one.digest in subjects)
        return
    predicate = unwrapped(statement.predicate)
    try:
        kind = kind_of(predicate, f"{where}: predicate")
    except NotAnSbomError as error:
        what = f"it is an attestation of {statement.predicate_type[:200]}, which is no SBOM, provenance or VEX"
        raise NotAnSbomError(where, what) from error
    if kind is Kind.VEX:
        yield parse_vex(statement.whole, where)
        return
    repository = artifact.partition("@")[0] if artifact else ""
    named = [f"{repository or repository_of_subject(name)}@{digest}" for digest, name in subjects.items()]
    for image in named or (artifact,):
        yield _bom(predicate, kind, where, image, equals)


def _raised(error: BadInputError) -> NoReturn:
    raise error


def _bom(
    content: bytes, kind: Kind, where: str | Path, artifact: str | None, equals: frozenset[str]
) -> SbomDocument | VexDocument:
    if _may_state(content, kind):
        return _with_vulnerabilities(content, where, artifact, equals)
    return parse_sbom(content, where, artifact, equals)


def _may_state(content: bytes, kind: Kind) -> bool:
    """Whether it is a CycloneDX document that may say something of vulnerabilities."""
    if kind is Kind.CYCLONEDX_XML:
        return cyclonedx_xml.may_state(content)
    if kind is Kind.CYCLONEDX_PROTOBUF:
        return cyclonedx_protobuf.may_state(content)
    return kind is Kind.CYCLONEDX_JSON and b'"vulnerabilities"' in content


def _with_vulnerabilities(
    content: bytes, where: str | Path, artifact: str | None, equals: frozenset[str]
) -> SbomDocument | VexDocument:
    """A CycloneDX document may be an SBOM, VEX, or both."""
    vex = parse_vex(content, where)
    try:
        found = parse_sbom(content, where, artifact, equals)
    except BadInputError as error:
        if vex.statements:
            return vex
        if vex.unknown and isinstance(error, NamelessError):
            problem = f"{vex.unknown[0].what}: {vex.unknown[0].reason}"
            fix = "Correct that field where it is VEX; name its image by --artifact where it is an SBOM."
            raise BadInputError(where, problem, fix) from error
        raise
    if vex.statements and not found.packages:
        return vex
    return replace(found, vex=vex) if vex.statements or vex.unknown else found
