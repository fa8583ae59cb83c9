"""What a path holds: a folder is walked, and a file is an SBOM or provenance by its content, not by its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from patchgap.errors import BadInputError
from patchgap.graph.documents import read_bytes, read_head
from patchgap.graph.provenance import parse_provenance
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.kinds import Kind, NotAnSbomError, kind_of, kind_of_head
from patchgap.graph.sbom.read import parse_sbom
from patchgap.graph.vex.read import parse_vex
from patchgap.model.exposure import Artifact
from patchgap.model.vex import VexDocument

_CLAIMS = re.compile(r"(?:^|[._-])(?:cdx|cyclonedx|spdx|sbom|bom|syft|intoto)(?:[._-]|$)", re.IGNORECASE)

Content = SbomDocument | tuple[Artifact, ...] | VexDocument


def walk(path: Path) -> Iterator[Path]:
    """The file itself; of a folder every file below it, whatever it is called, in order. Links to folders are not
    followed, so that a ring of them ends. Raises BadInputError for an empty folder."""
    if not path.is_dir():
        yield path
        return
    found = sorted(Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    if not found:
        raise BadInputError(path, "it holds no file", "Name a folder that holds SBOMs.")
    yield from found


def read_file(path: Path, artifact: str | None = None) -> Content:
    """The SBOM, or the artifacts whose provenance it is. Raises BadInputError, and NotAnSbomError for a file that is
    something else and does not claim by its name to be one: of a folder it is passed over, with that reason."""
    try:
        kind_of_head(read_head(path), path)  # a large file of another kind is not read whole
        content = read_bytes(path)
        kind = kind_of(content, path)
        if kind is Kind.VEX:
            return parse_vex(content, path)
        if kind is Kind.PROVENANCE:
            return _statement(content, path)
        if kind is Kind.CYCLONEDX_JSON and b'"vulnerabilities"' in content:
            return _with_vulnerabilities(content, path, artifact)
        return parse_sbom(content, path, artifact)
    except NotAnSbomError as error:
        if _CLAIMS.search(path.name):
            raise BadInputError(path, error.reason, error.fix) from error
        raise


def _statement(content: bytes, path: Path) -> Content:
    """An in-toto statement is provenance, or a VEX document's envelope."""
    try:
        return parse_provenance(content, path)
    except BadInputError:
        try:
            return parse_vex(content, path)
        except BadInputError:
            pass
        raise


def _with_vulnerabilities(content: bytes, path: Path, artifact: str | None) -> Content:
    """A CycloneDX document may be an SBOM, VEX, or both."""
    vex = parse_vex(content, path)
    try:
        found = parse_sbom(content, path, artifact)
    except BadInputError:
        if vex.statements:
            return vex
        raise
    if vex.statements and not found.packages:
        return vex
    return replace(found, vex=vex) if vex.statements else found
