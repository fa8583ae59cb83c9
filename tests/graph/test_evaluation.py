"""OSV's evaluation against two oracles: its own pseudocode, and an independent reading of alternating events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from patchgap.graph.versions import affects
from patchgap.model.signal import AffectedPackage, RangeEvent, VersionRange


def evaluated(ranges: tuple[VersionRange, ...], version: Version) -> bool:
    """OSV's pseudocode (ossf.github.io/osv-schema/#evaluation), line by line."""

    def at(event: RangeEvent) -> Version:
        return Version("0.dev0") if event.version == "0" else Version(event.version)

    for one in ranges:
        limits = [event for event in one.events if event.kind == "limit"]
        if limits and not any(event.version == "*" or version < at(event) for event in limits):
            continue
        vulnerable = False
        for event in sorted((event for event in one.events if event.kind != "limit"), key=at):
            if event.kind == "introduced" and version >= at(event):
                vulnerable = True
            elif (event.kind == "fixed" and version >= at(event)) or (
                event.kind == "last_affected" and version > at(event)
            ):
                vulnerable = False
        if vulnerable:
            return True
    return False


NUMBER = st.integers(0, 12).map(str)
TEXT = st.builds(
    lambda release, tail: ".".join(release) + tail,
    st.lists(NUMBER, min_size=1, max_size=3),
    st.sampled_from(["", "rc1", ".dev2", ".post1", "a3"]),
)


@given(st.lists(TEXT, min_size=2, max_size=5, unique_by=Version), TEXT)
def test_any_ranges_are_evaluated_as_packaging_orders_them(bounds: list[str], version: str) -> None:
    """Alternating introductions and fixes, in any number, contain what an independent reading says they contain."""
    ordered = sorted(bounds, key=Version)
    events = [RangeEvent("fixed" if n % 2 else "introduced", text) for n, text in enumerate(ordered)]
    passed = sum(Version(text) <= Version(version) for text in ordered)
    from_the_start = ordered[0] == "0" and passed == 0  # `introduced: 0` is before 0rc1 too
    assert affects(AffectedPackage("PyPI", "a", (VersionRange("ECOSYSTEM", tuple(events)),)), version) is (
        passed % 2 == 1 or from_the_start
    )


KIND = st.sampled_from(["introduced", "fixed", "last_affected", "limit"])
EVENTS = st.lists(st.builds(RangeEvent, KIND, TEXT), min_size=1, max_size=6, unique_by=lambda e: Version(e.version))


@given(st.lists(EVENTS.map(lambda events: VersionRange("ECOSYSTEM", tuple(events))), min_size=1, max_size=3), TEXT)
def test_any_events_are_evaluated_as_osvs_pseudocode_evaluates_them(ranges: list[VersionRange], version: str) -> None:
    """Events of every kind, in any order and number, over several ranges; a version stands for one event of a range."""
    held = tuple(ranges)
    assert affects(AffectedPackage("PyPI", "a", held), version) is evaluated(held, Version(version))
