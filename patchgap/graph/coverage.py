"""What an image's SBOMs could have listed: an application's SBOM says nothing about the system that it runs on.

Pure: takes what the SBOMs list and a question. Owns when "it is not listed" means "it is not in the image".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from patchgap.graph.question import Question
from patchgap.graph.sbom.document import Package
from patchgap.graph.versions import purl_type

_BY_SOURCE = frozenset({"apk", "deb"})  # whose advisories name source packages: `openssl`, for libssl3
_BLURRED = "~"  # after a kind in `lists`: its packages are listed without their sources
SYSTEM = frozenset({"apk", "deb", "rpm"})  # who lists an operating system's packages looked through a whole image


def listed(packages: Sequence[Package]) -> str:
    """The kinds of an SBOM's packages, to store. A tool that tells sources leaves out only those that are named like
    their package, which libraries seldom are: where libraries are listed and no source is told, it tells none."""
    kinds = {package[0] for package in packages} - {""}
    blurred = {kind for kind in kinds & _BY_SOURCE if _is_blurred([one for one in packages if one[0] == kind])}
    return " ".join(sorted(f"{kind}{_BLURRED}" if kind in blurred else kind for kind in kinds))


def _is_blurred(packages: Sequence[Package]) -> bool:
    return not any(one.source for one in packages) and any(one.name.startswith("lib") for one in packages)


def is_system(lists: str) -> bool:
    """Whether the kinds are those of an SBOM that was made of a whole image, whatever it says of itself."""
    return not SYSTEM.isdisjoint(_kinds(lists))


def hidden(sboms: Iterable[tuple[str, object, Sequence[str]]]) -> Sequence[str]:
    """Why packages may be missing in the lists of an image's SBOMs, from the stored `lists`, `whole` and `hides` of each:
    in the words of the one that hides least. Only an SBOM that hides nothing and was made of the whole image, or of the
    same part, makes up for one that does: an application's tells nothing of what the image's own leaves out."""
    held = [(_kinds(lists), bool(whole), hides) for lists, whole, hides in sboms]
    sure = [(kinds, whole) for kinds, whole, hides in held if not hides]
    still = [
        hides
        for kinds, whole, hides in held
        if hides and not any(entire or (kinds <= some and not whole) for some, entire in sure)
    ]
    return min(still, key=len, default=())


def _kinds(lists: str) -> frozenset[str]:
    return frozenset(kind.removesuffix(_BLURRED) for kind in lists.split())


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
        asked = kinds_of(question)
        blurred = sorted(kind for kind in asked - self.lists if f"{kind}{_BLURRED}" in self.lists)
        if blurred and question.advisory is not None:
            return (
                f"its SBOM tells no {' or '.join(blurred)} package's source package, which is what the advisory names"
            )
        return self.missing(asked - {*blurred})

    def missing(self, kinds: Iterable[str]) -> str:
        """Why packages of these kinds may be in the image, of which its SBOMs list none; "" where they would have."""
        missing = sorted(frozenset(kinds) - {kind.removesuffix(_BLURRED) for kind in self.lists})
        if self.whole or not missing:
            return ""
        return f"its SBOM describes an application and not the whole image, and lists no {' or '.join(missing)} package"


def kinds_of(question: Question) -> frozenset[str]:
    """The purl types that the question asks about; none where it names a package of any."""
    if question.advisory is not None:
        asked = frozenset(purl_type(package.ecosystem) for package in question.advisory.affected)
        return asked & question.within if question.within else asked
    return frozenset({question.ecosystem} - {""}) or question.within
