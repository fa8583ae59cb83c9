"""What two images hold that the other does not, by what their SBOMs list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from patchgap.errors import NotFoundError
from patchgap.graph.coverage import Coverage
from patchgap.graph.members import unpack
from patchgap.graph.naming import Named
from patchgap.graph.reading import Run, among_ids, batches
from patchgap.model.unknown import Unknown

_BATCH = 5000


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A package by ecosystem and name, at every version at which the image lists it."""

    ecosystem: str
    vendor: str  # a distribution's, as its purls name it
    name: str
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Changed:
    """A package that both list, at other versions."""

    ecosystem: str
    vendor: str
    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """From the first image to the second; `same` counts the packages at the same versions. `unknown` says what neither
    presence nor absence in a list proves."""

    added: tuple[Listed, ...]
    removed: tuple[Listed, ...]
    changed: tuple[Changed, ...]
    same: int
    unknown: tuple[Unknown, ...]


_Package = tuple[str, str, str]  # ecosystem, vendor, name


def difference(read: Run, before: Named, after: Named) -> Difference:
    """Raises NotFoundError where one of the images has no SBOM."""
    first, second = _packages(read, before), _packages(read, after)
    added = [_listed(one, second[one]) for one in second.keys() - first.keys()]
    removed = [_listed(one, first[one]) for one in first.keys() - second.keys()]
    both = first.keys() & second.keys()
    changed = [Changed(*one, _sorted(first[one]), _sorted(second[one])) for one in both if first[one] != second[one]]
    return Difference(
        added=tuple(sorted(added)),
        removed=tuple(sorted(removed)),
        changed=tuple(sorted(changed)),
        same=len(both) - len(changed),
        unknown=(*_untold(read, before, added), *_untold(read, after, removed)),
    )


def _packages(read: Run, image: Named) -> dict[_Package, set[str]]:
    """What all SBOMs of the image list, without the image itself."""
    if not image.sboms:
        raise NotFoundError(f"image {image.digest} has no SBOM", "Add one: patchgap graph add FILE.")
    sets = read(
        "SELECT s.members FROM graph_sbom_set p JOIN graph_set s ON s.id = p.set_id"  # noqa: S608  (ids alone)
        f" WHERE {among_ids('p.sbom_id', image.sboms)}"
    )
    roots = {row[0] for row in read(f"SELECT root FROM graph_sbom WHERE {among_ids('id', image.sboms)}")}  # noqa: S608
    ids = sorted({one for row in sets for one in unpack(row[0])})
    found: dict[_Package, set[str]] = {}
    for some in batches(ids, _BATCH):
        for ecosystem, vendor, name, version, purl in read(
            "SELECT ecosystem, vendor, name, version, purl FROM graph_component"  # noqa: S608  (ids alone)
            f" WHERE {among_ids('id', some)}"
        ):
            if not purl or purl not in roots:
                found.setdefault((ecosystem, vendor, name), set()).add(version)
    return found


def _untold(read: Run, image: Named, missing: Iterable[Listed]) -> Iterator[Unknown]:
    """Why what this image does not list may be in it all the same."""
    rows = read(f"SELECT lists, whole, packages, hides FROM graph_sbom WHERE {among_ids('id', image.sboms)}")  # noqa: S608
    what = f"image {image.repository}@{image.digest}" if image.repository else f"image {image.digest}"
    if not any(packages for *_, packages, _ in rows):
        yield Unknown(what, "its SBOM lists no packages")
        return
    if all(hides != "[]" for *_, hides in rows):
        yield Unknown(what, "its SBOM may hide packages: patchgap exposure names why where it runs")
    kinds = frozenset(one.ecosystem for one in missing) - {""}
    if reason := Coverage.of((lists, whole) for lists, whole, *_ in rows).missing(kinds):
        yield Unknown(what, reason)


def _listed(one: _Package, versions: Iterable[str]) -> Listed:
    return Listed(*one, _sorted(versions))


def _sorted(versions: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(versions))
