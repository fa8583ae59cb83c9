"""What is asked of the graph: a name, a name at a version, a purl, or an advisory's affected packages."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from patchgap.errors import BadInputError
from patchgap.graph import purl as purls
from patchgap.model.signal import Advisory

_MAX = 1000
_ADVISORY = re.compile(
    r"(?:CVE|PYSEC|MAL|OSV|GO|RUSTSEC|GSD|DSA|DLA|USN|RHSA|ALSA|RLSA|ALAS)-\d[\d:.-]*|GHSA(?:-[0-9a-z]{4}){3}",
    re.IGNORECASE,
)
_SPECIFIER = re.compile(r"[<>=!^*|,]|\s+v?\d")


@dataclass(frozen=True, slots=True)
class Question:
    """A question. `text` is how it was asked. `ecosystem` is a purl type, "" for any; `vendor` a purl's namespace where
    the name does not hold it; `version` is "" for any version. With `advisory`, the other fields are empty. `within`
    are the purl types that are asked about alone; none: every one."""

    text: str
    ecosystem: str = ""
    vendor: str = ""
    name: str = ""
    version: str = ""
    distro: str = ""
    advisory: Advisory | None = None
    within: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Question:
        """`name`, `name@version`, `@scope/name@version`, or a purl with or without a version. Raises BadInputError."""
        text = text.strip()
        if not text or len(text) > _MAX or not text.isprintable():
            raise BadInputError("the question", "it names no package", "Ask for a name, name@version or a purl.")
        if text[:4].lower() == "pkg:":
            return cls._of_purl("pkg:" + text[4:])
        if _ADVISORY.fullmatch(text):
            raise BadInputError(
                "the question", f"{text!r} is an advisory", "Ask with --advisory, by its OSV file or its id."
            )
        if _SPECIFIER.search(text):
            raise BadInputError("the question", f"{text!r} names no one version", "Write it as name@version.")
        name, _, version = text[1:].partition("@")
        name = text[0] + name
        if name == "@" or (text.endswith("@")):
            raise BadInputError("the question", f"{text!r} names no package", "Ask for a name, name@version or a purl.")
        if name.endswith("]"):  # the extras of a Python requirement
            name = name.partition("[")[0] or name
        return cls(text=text, name=name, version=version)

    @classmethod
    def of_advisory(cls, advisory: Advisory) -> Question:
        """Which components are affected by it."""
        return cls(text=advisory.id, advisory=advisory)

    def inside(self, ecosystems: frozenset[str]) -> Question:
        """The same question, about packages of these purl types alone; none: of every one."""
        return replace(self, within=ecosystems)

    @classmethod
    def _of_purl(cls, text: str) -> Question:
        try:
            found = purls.with_epoch(purls.parse(text))
        except ValueError as error:
            raise BadInputError("the question", f"{text!r} is no purl", "Write it as pkg:pypi/name@version.") from error
        if found.type in purls.IMAGES:
            raise BadInputError("the question", f"{text!r} names an image", "Ask for a package that images hold.")
        vendor = found.vendor if found.full_name == purls.normal_name(found.ecosystem, found.name) else ""
        return cls(
            text=text,
            ecosystem=found.ecosystem,
            vendor=vendor,
            name=found.full_name,
            version=found.version,
            distro=found.qualifiers.get("distro", ""),
        )
