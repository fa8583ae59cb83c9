"""The shortest chains: those that any walk finds, counted beyond those that are kept, and as they are stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from patchgap.graph.chains import COUNTED, MOST, Shortest, Stored, read, shortest, written
from patchgap.graph.sbom.document import ROOT

LAYERS = st.lists(st.integers(1, 5), min_size=1, max_size=4)
EDGES = st.dictionaries(st.integers(ROOT, 8), st.lists(st.integers(0, 8), max_size=5, unique=True).map(tuple))


def walked(edges: dict[int, tuple[int, ...]]) -> dict[int, set[tuple[int, ...]]]:
    """Every chain without a ring, and of those to one package the shortest."""
    found: dict[int, set[tuple[int, ...]]] = {}
    rest: list[tuple[int, ...]] = [()]
    while rest:
        chain = rest.pop()
        for end in edges.get(chain[-1] if chain else ROOT, ()):
            if end not in chain:
                found.setdefault(end, set()).add((*chain, end))
                rest.append((*chain, end))
    return {end: {one for one in some if len(one) == min(map(len, some))} for end, some in found.items()}


@given(EDGES)
def test_they_are_those_that_a_walk_finds(edges: dict[int, tuple[int, ...]]) -> None:
    """Up to as many as are kept; all are counted, and no package is reached that the walk does not reach."""
    every = walked(edges)
    found = shortest(edges)
    assert {end: one.number for end, one in found.items()} == {end: len(some) for end, some in every.items()}
    for end, one in found.items():
        assert len(set(one.chains)) == len(one.chains) == min(len(every[end]), MOST)
        assert every[end].issuperset(one.chains)


@given(LAYERS)
def test_of_layers_the_product_is_counted(sizes: list[int]) -> None:
    """However many lead there."""
    edges: dict[int, tuple[int, ...]] = {}
    above, first = (ROOT,), 0
    for size in (*sizes, 1):
        layer = tuple(range(first, first + size))
        edges.update(dict.fromkeys(above, layer))
        above, first = layer, first + size
    product = 1
    for size in sizes:
        product *= size
    assert shortest(edges)[above[0]].number == product


def test_a_number_that_nobody_can_read_is_cut_off() -> None:
    """A hundred layers of two: 2 to the 100th, which is told as at least so many, and takes no time."""
    edges: dict[int, tuple[int, ...]] = {ROOT: (0, 1)}
    for n in range(0, 198, 2):
        edges[n] = edges[n + 1] = (n + 2, n + 3)
    assert shortest(edges)[199].number == COUNTED


def test_what_is_stored_is_read_as_it_was() -> None:
    """One, several, the artifact itself, as many as are kept, and more; without a count it is not known."""
    names = [str(n) for n in range(100, 140)]
    some = tuple((n, n + 1) for n in range(MOST))
    for count in (MOST, MOST + 24):
        text = written(Shortest(some, count), names)
        assert read(text) == Stored(tuple((a + 100, b + 100) for a, b in some), count - MOST)
        assert read(text.partition(";+")[0]).more is None
    assert read(written(Shortest(some[:2], 2), names)) == Stored(((100, 101), (101, 102)), 0)
    assert read("") == Stored(((),), 0)
