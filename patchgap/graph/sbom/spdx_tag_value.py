"""SPDX tag-value, 2.2 and 2.3, read line by line: LF, CRLF and CR endings, `<text>` blocks, comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from patchgap.errors import BadInputError
from patchgap.graph.documents import check_text
from patchgap.graph.sbom.cyclonedx import check_version
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.sbom.spdx import (
    Checksum,
    ExternalReference,
    File,
    Other,
    Relationship,
    Spdx,
    SpdxPackage,
    document,
    is_kind,
)
from patchgap.graph.sbom.spdx_json import VERSIONS

_LINE = re.compile(rb"[ \t]*(?:(?P<tag>[A-Za-z]++)[ \t]*+:[ \t]*+(?P<value>[^\r\n]*+)|(?:#[^\r\n]*+)?)(?=[\r\n]|\Z)")
_ENDINGS = re.compile(rb"[\r\n]*")
_REST_OF_LINE = re.compile(rb"[^\r\n]*")
_TEXT, _TEXT_END = b"<text>", b"</text>"
_ELEMENTS = frozenset({b"PackageName", b"FileName", b"SnippetSPDXID", b"LicenseID"})  # each starts a new element
_DOCUMENT = {b"SPDXVersion": "spdx_version", b"DocumentName": "name", b"DocumentNamespace": "document_namespace"}
_PACKAGE = {b"PackageVersion": "version", b"PackageDownloadLocation": "location", b"PackageSourceInfo": "origin",
            b"PrimaryPackagePurpose": "purpose"}  # fmt: skip
_TAGS = {  # in the case that the specification gives them, whatever a tool does
    tag.lower(): tag
    for tag in (*_ELEMENTS, *_DOCUMENT, *_PACKAGE, b"SPDXID", b"Relationship", b"ExternalRef", b"ExternalDocumentRef",
                b"PackageChecksum", b"PackageAttributionText")
}  # fmt: skip
_RELATIONSHIP = 3  # its words
_LONGEST = 3  # a kind's words, where blanks stand for its underlines


def read(content: bytes, where: str | Path, digest: str) -> SbomDocument:
    """The SBOM. Raises BadInputError with the line, and ValueError."""
    check_text(content, where)
    reader = _Reader()
    for place, tag, value in _lines(content, where):
        try:
            reader.take(tag, value.decode())
        except ValueError as error:
            raise _refused(content, where, place, str(error)) from error
    check_version("SPDXVersion", reader.spdx.spdx_version, VERSIONS)
    return document(reader.spdx, digest)


def _lines(content: bytes, where: str | Path) -> Iterator[tuple[int, bytes, bytes]]:
    """Each tag with its value and its place; a `<text>` block is one value."""
    place, end = 0, len(content)
    while place < end:
        match = _LINE.match(content, place)
        if match is None:
            raise _refused(content, where, place, "it is no `Tag: value`")
        start, after = match.span("value")
        if start >= 0 and content.startswith(_TEXT, start):
            start += len(_TEXT)
            close = content.find(_TEXT_END, start)
            if close < 0:
                raise _refused(content, where, place, "its <text> does not end")
            value, after = content[start:close], _past(_REST_OF_LINE, content, close + len(_TEXT_END))
        else:
            value = match["value"] or b""
            after = match.end()
        if tag := match["tag"]:
            tag = _TAGS.get(tag.lower(), tag)
            if value or tag in _ELEMENTS:  # an element starts there, though nothing names it
                yield place, tag, value.strip()
        place = _past(_ENDINGS, content, after)


def _parted(words: list[str]) -> list[str]:
    """The two elements with the kind between them, which some tools write with blanks."""
    for end in range(min(len(words) - 1, 1 + _LONGEST), _RELATIONSHIP - 1, -1):
        kind = " ".join(words[1:end])
        if is_kind(kind):
            return [words[0], kind, words[end]]
    return words[:_RELATIONSHIP]


def _past(pattern: re.Pattern[bytes], content: bytes, place: int) -> int:
    match = pattern.match(content, place)
    return match.end() if match else place


def _refused(content: bytes, where: str | Path, place: int, problem: str) -> BadInputError:
    before = content[:place]
    line = before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n") + 1
    return BadInputError(where, f"line {line}: {problem}", "Correct that line, or export the SBOM again.")


class _Reader:
    """Takes tag after tag; which element an SPDXID belongs to is told by the tag that opened it."""

    def __init__(self) -> None:
        self.packages: list[SpdxPackage] = []
        self.relationships: list[Relationship] = []
        self.files: list[File] = []
        self.others: list[Other] = []
        self.spdx = Spdx(
            spdx_version="",
            packages=self.packages,
            relationships=self.relationships,
            files=self.files,
            external_document_refs=self.others,
        )
        self._open: SpdxPackage | None = None
        self._in_file = False

    def take(self, tag: bytes, value: str) -> None:
        """One tag. Raises ValueError where its value is none of its kind."""
        if tag in _ELEMENTS:
            self._open = SpdxPackage(name=value) if tag == b"PackageName" else None
            self._in_file = tag == b"FileName"
            if self._open is not None:
                self.packages.append(self._open)
        elif tag == b"Relationship":
            words = value.split()
            if len(words) < _RELATIONSHIP:
                raise ValueError("a relationship has three words")
            self.relationships.append(Relationship(*_parted(words)))
        elif self._in_file:
            if tag == b"SPDXID":
                self.files.append(File(value))
        elif self._open is not None:
            self._of_package(self._open, tag, value)
        elif tag == b"ExternalDocumentRef":
            self.others.append(Other(value))
        elif tag in _DOCUMENT:
            setattr(self.spdx, _DOCUMENT[tag], value)

    def _of_package(self, opened: SpdxPackage, tag: bytes, value: str) -> None:
        if tag == b"SPDXID":
            opened.id = value
        elif tag in _PACKAGE:
            setattr(opened, _PACKAGE[tag], value)
        elif tag == b"ExternalRef":
            words = value.split()
            if len(words) < 3:  # noqa: PLR2004 - category, type and locator
                raise ValueError("an external reference has three words")
            opened.references = opened.references or []
            opened.references.append(ExternalReference(words[1], words[2]))
        elif tag == b"PackageChecksum":
            algorithm, _, found = value.partition(":")
            opened.checksums = opened.checksums or []
            opened.checksums.append(Checksum(algorithm.strip(), found.strip()))
        elif tag == b"PackageAttributionText":
            opened.attributions = opened.attributions or []
            opened.attributions.append(value)
