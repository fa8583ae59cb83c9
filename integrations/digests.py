"""Digests of images: which one a reference or a container names, and which ones an incident is about. Pure.

Knows no platform.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from patchgap.model.exposure import Standing
from patchgap.model.workload import Container
from patchgap.ports import Situation

_DIGEST = re.compile(r"(?:^|@|://)(sha256:[0-9a-f]{64})$")


def digest_in(text: str) -> str:
    """The digest that a reference (`repo:tag@sha256:…`) or an image id (`docker-pullable://repo@sha256:…`,
    `docker://sha256:…`, `sha256:…`) ends with; "" where it names none."""
    found = _DIGEST.search(text)
    return found[1] if found else ""


def digests_of(container: Container) -> tuple[str, ...]:
    """The digests that speak for a container: what the runtime reported first, then what its reference names."""
    told = container.digest if isinstance(container.digest, str) else ""
    return tuple(dict.fromkeys(d for d in (told, digest_in(container.image)) if d))


def exposed_digests(situation: Situation) -> frozenset[str]:
    """The digests of the exposures: what cannot be compared counts as exposed."""
    return frozenset(
        digest_in(e.artifact.digest)
        for e in situation.exposures
        if e.standing is not Standing.NOT_AFFECTED and digest_in(e.artifact.digest)
    )


def blocked(situation: Situation, exposed: Iterable[str]) -> frozenset[str]:
    """The digests that a block refuses: the affected and exposed ones, never one that was proved to be the mend."""
    return (situation.affected_digests | frozenset(exposed)) - situation.patched
