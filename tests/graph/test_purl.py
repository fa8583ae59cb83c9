"""Purls: the short path says what packageurl says."""

from __future__ import annotations

import json

import pytest
from graph_fleet import DATA, SBOMS
from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from patchgap.graph import purl
from patchgap.graph.documents import read_bytes
from patchgap.graph.sbom import packages

KINDS = [
    "apk", "cargo", "composer", "deb", "gem", "golang", "maven", "npm", "nuget", "pypi", "rpm", "generic", "oci",
    "bitnami", "conan", "cran", "docker", "githubactions", "github", "hackage", "hex", "pub", "swift", "NPM", "PyPI",
]  # fmt: skip


def real_purls() -> list[str]:
    texts: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            texts.update(v for k, v in value.items() if k in {"purl", "referenceLocator"} and str(v).startswith("pkg:"))
            for child in value.values():
                walk(child)
        elif isinstance(value, list):
            for child in value:
                walk(child)

    for path in (*SBOMS.glob("*.cdx.json*"), *(DATA / "sboms").glob("*.json.gz")):
        walk(json.loads(read_bytes(path)))
    return sorted(texts)


def same(text: str) -> None:
    ours, oracle = purl.parse(text), PackageURL.from_string(text)
    assert (ours.type, ours.namespace, ours.name, ours.version, ours.qualifiers) == (
        oracle.type,
        oracle.namespace or "",
        oracle.name,
        oracle.version or "",
        oracle.qualifiers,
    )
    assert ours.text == oracle.to_string()


def test_real_purls_read_as_packageurl_reads_them() -> None:
    """Every purl of the real SBOMs parses to the oracle's fields and canonical text."""
    found = real_purls()
    assert len(found) > 1500
    for text in found:
        same(text)


WORD = st.text("abcXYZ019._~-+%@:", min_size=1, max_size=8)


@given(
    st.builds(
        lambda kind, space, name, version, extra: f"pkg:{kind}/{space}{name}{version}{extra}",
        st.sampled_from(KINDS),
        st.one_of(
            st.just(""), WORD.map(lambda w: w + "/"), WORD.map(lambda w: f"@{w}/"), WORD.map(lambda w: f"%40{w}/b.c/")
        ),
        WORD,
        st.one_of(st.just(""), WORD.map(lambda w: "@" + w)),
        st.one_of(
            st.just(""),
            WORD.map(lambda w: "?arch=" + w),
            st.just("?distro=debian-11&arch=all&Q=1"),
            st.just("?epoch=1&upstream=openssl%403.0.11-1#sub/./path"),
            st.just("?arch="),
        ),
    )
)
def test_made_up_purls_read_as_packageurl_reads_them(text: str) -> None:
    """Whatever packageurl takes, ours takes to the same fields; whatever it refuses, ours refuses."""
    try:
        PackageURL.from_string(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011  (its words are not packageurl's)
            purl.parse(text)
        return
    same(text)


@pytest.mark.parametrize(
    "text",
    ["PKG:npm/a@1", " pkg:npm/a@1\n", "Pkg://NPM/%40B/a@1?Q=1", "\tPKG:pypi/A_b@1#x", "PKG:deb/debian/zlib1g@1.2"],
)
def test_the_scheme_is_read_in_any_case_and_blanks_around_a_purl_are_none_of_it(text: str) -> None:
    """As the specification lets them be; all after the scheme is as packageurl reads it."""
    scheme, _, rest = text.strip().partition(":")
    oracle = PackageURL.from_string(f"{scheme.lower()}:{rest}")
    ours = purl.parse(text)
    assert ours.text == oracle.to_string()
    assert (named := packages.named_by(text)) is not None
    assert named.purl == ours.text


@pytest.mark.parametrize("text", ["", " ", "PKG", "PKGS:npm/a@1", "p kg:npm/a@1", "PKG:npm", "pkg :npm/a"])
def test_what_is_no_purl_stays_none(text: str) -> None:
    """Whatever its case."""
    with pytest.raises(ValueError):  # noqa: PT011  (packageurl's words)
        purl.parse(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pkg:pypi/Zope.Interface@5.4", "zope-interface"),
        ("pkg:npm/%40babel/core@7.0.0", "@babel/core"),
        ("pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "org.apache.logging.log4j:log4j-core"),
        ("pkg:deb/debian/zlib1g@1:1.2.11", "zlib1g"),
        ("pkg:golang/golang.org/x/net@v0.1.0", "golang.org/x/net"),
    ],
)
def test_names_are_the_ecosystems_own(text: str, name: str) -> None:
    """A package's name is what that ecosystem's tools and advisories write."""
    assert purl.parse(text).full_name == name
