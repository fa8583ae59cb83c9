"""What an image's SBOMs could have listed: an application's SBOM says nothing about the system that it runs on.

Pure: takes what the SBOMs list and a question. Owns when "it is not listed" means "it is not in the image".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Self

from patchgap.graph.question import Question
from patchgap.graph.versions import purl_type

SYSTEM = frozenset({"apk", "deb", "rpm"})  # who lists an operating system's packages looked through a whole image


class Coverage(NamedTuple):
    """Of one image, over all its SBOMs: the purl types that they list, and whether one was made of the whole image."""

    lists: frozenset[str]
    whole: bool

    @classmethod
    def of(cls, sboms: Iterable[tuple[str, object]]) -> Self:
        """From the stored `lists` and `whole` of each SBOM."""
        held = tuple(sboms)
        return cls(frozenset(kind for lists, _ in held for kind in lists.split()), any(whole for _, whole in held))

    def untold(self, question: Question) -> str:
        """Why the image may hold what these SBOMs do not list; "" where they would have listed it."""
        missing = sorted(kinds_of(question) - self.lists)
        if self.whole or not missing:
            return ""
        return f"its SBOM describes an application and not the whole image, and lists no {' or '.join(missing)} package"


def kinds_of(question: Question) -> frozenset[str]:
    """The purl types that the question asks about; none where it names a package of any."""
    if question.advisory is not None:
        return frozenset(purl_type(package.ecosystem) for package in question.advisory.affected)
    return frozenset({question.ecosystem} - {""})
