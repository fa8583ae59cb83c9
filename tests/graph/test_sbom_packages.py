"""A purl is read once, and its short path reads it as the general one does."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from graph_fleet import DATA, SBOMS
from hypothesis import given
from hypothesis import strategies as st

from patchgap.graph.documents import read_bytes
from patchgap.graph.sbom import packages
from patchgap.graph.sbom.document import Source, package


def purls_of(value: object) -> Iterator[str]:
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, str) and one.startswith("pkg:"):
            yield one
        rest.extend(one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())


REAL = sorted({
    purl
    for path in (*(DATA / "sboms").iterdir(), *SBOMS.iterdir())
    if ".json" in path.name
    for purl in purls_of(json.loads(read_bytes(path)))
})  # fmt: skip


def test_the_short_path_agrees_with_the_general_one_on_real_purls() -> None:
    """Every purl of the real files; most go the short way."""
    short = {purl: found for purl in REAL if (found := packages._plain(purl)) is not None}
    assert len(REAL) > 2000
    assert len(short) > len(REAL) * 0.6
    assert short == {purl: packages._any(purl) for purl in short}


WORDS = st.text("abcXYZ019._-~", min_size=1, max_size=6)
VALUES = st.sampled_from(["a", "amd64", "debian-12", "x%40y", "1%2B2", "a/b", "1:2", "x%20y", "a%3Ab", "UP"])
KINDS = st.sampled_from(
    ["apk", "cargo", "composer", "deb", "gem", "golang", "maven", "npm", "nuget", "pypi", "rpm", "swift"]
)
PURLS = st.builds(
    lambda kind, space, name, version, keys: (
        f"pkg:{kind}/{space}{name}@{version}" + ("?" + "&".join(f"{k}={v}" for k, v in keys.items()) if keys else "")
    ),
    KINDS,
    st.sampled_from(["", "", "debian/", "Org/", "%40scope/", "github.com/x/", "%40a/b/", "org.example/"]),
    WORDS,
    st.sampled_from(["1", "1.2.3", "v1.0.0", "1.2-3", "1:2.3", "1%3A2.3", "1%2B2", "1+2", "2.0~rc1", "1%20"]),
    st.dictionaries(st.sampled_from(["arch", "distro", "epoch", "upstream", "type", "vcs_url"]), VALUES, max_size=3),
)


@given(PURLS)
def test_the_short_path_agrees_with_the_general_one_on_any_purl(purl: str) -> None:
    """Whatever the type, the namespace, the escapes and the order of the qualifiers."""
    short = packages._plain(purl)
    assert short is None or short == packages._any(purl)


def test_what_is_remembered_of_a_purl_is_not_what_one_sbom_said_beside_it() -> None:
    """A version or source package that stands beside a purl is that entry's alone."""
    purl = "pkg:deb/debian/remembered"
    assert package("remembered", "1", purl=purl, source=Source("one", "1"))[3:] == ("1", f"{purl}@1", "", "one", "1")
    assert package("remembered", "2", purl=purl)[3:] == ("2", f"{purl}@2", "", "", "")
    assert package("", "", purl=f"{purl}@3", source=Source("other", "3")).source == "other"
    assert package("", "", purl=f"{purl}@3").source == ""


def test_the_memory_of_purls_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts anew when it is full, and reads as before."""
    monkeypatch.setattr(packages, "_KEPT", 10)
    monkeypatch.setattr(packages, "_known", {})
    found = [package("", "", purl=f"pkg:npm/a{n}@1") for n in range(25)]
    assert [p.name for p in found] == [f"a{n}" for n in range(25)]
    assert len(packages._known) <= 10
