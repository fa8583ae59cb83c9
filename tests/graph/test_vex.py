"""VEX: three formats say the same, and many statements settle one standing. What is not named is never taken for named."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from graph_fleet import DATA
from hypothesis import given
from hypothesis import strategies as st

from patchgap.errors import BadInputError
from patchgap.graph.vex.read import parse_vex, read_vex
from patchgap.graph.vex.standing import Subject, settled, standing_of
from patchgap.graph.vex.vers import within
from patchgap.model.exposure import Standing
from patchgap.model.vex import VexDocument, VexProduct, VexStatement, VexStatus

IMAGE = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
LOG4J = "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"
CVE = "CVE-2021-44228"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HERE = Subject(LOG4J, frozenset({IMAGE}), (f"pkg:oci/app@{IMAGE}", "pkg:maven/com.acme/app@1.0"))


def parsed(document: dict[str, Any]) -> VexDocument:
    return parse_vex(json.dumps(document).encode(), "vex.json")


def openvex(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    context = {"@context": "https://openvex.dev/ns/v0.2.0", "author": "Acme", "timestamp": "2026-11-24T12:00:00Z"}
    return {**context, "statements": [*statements], **more}


PRODUCT = {"@id": "pkg:oci/app", "hashes": {"sha-256": "a" * 64}, "subcomponents": [{"@id": LOG4J}]}
SAID = {
    "vulnerability": {"name": CVE, "aliases": ["GHSA-jfh8-c2jp-5v3q"]},
    "status": "not_affected",
    "justification": "vulnerable_code_not_present",
}
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {
        "timestamp": "2026-11-24T12:00:00Z",
        "supplier": {"name": "Acme"},
        "component": {"bom-ref": "app", "type": "container", "name": "app", "version": IMAGE},
    },
    "components": [{"bom-ref": "l", "type": "library", "name": "log4j-core", "purl": LOG4J}],
    "vulnerabilities": [
        {
            "id": CVE,
            "references": [{"id": "GHSA-jfh8-c2jp-5v3q"}],
            "analysis": {"state": "not_affected", "justification": "code_not_present"},
            "affects": [{"ref": "l"}],
        }
    ],
}
CSAF: dict[str, Any] = {
    "document": {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "publisher": {"name": "Acme"},
        "tracking": {"current_release_date": "2026-11-24T12:00:00Z"},
    },
    "product_tree": {
        "branches": [
            {
                "branches": [
                    {
                        "product": {
                            "product_id": "app",
                            "name": "app",
                            "product_identification_helper": {
                                "hashes": [{"file_hashes": [{"algorithm": "sha256", "value": "a" * 64}]}]
                            },
                        }
                    }
                ]
            }
        ],
        "full_product_names": [
            {"product_id": "log4j", "name": "log4j-core", "product_identification_helper": {"purl": LOG4J}}
        ],
        "relationships": [
            {
                "category": "default_component_of",
                "product_reference": "log4j",
                "relates_to_product_reference": "app",
                "full_product_name": {"product_id": "app:log4j", "name": "log4j in app"},
            }
        ],
        "product_groups": [{"group_id": "g", "product_ids": ["app:log4j"]}],
    },
    "vulnerabilities": [
        {
            "cve": CVE,
            "ids": [{"system_name": "GitHub", "text": "GHSA-jfh8-c2jp-5v3q"}],
            "product_status": {"known_not_affected": ["app:log4j"], "recommended": ["app"]},
            "flags": [{"label": "vulnerable_code_not_present", "group_ids": ["g"]}],
        }
    ],
}
FORMATS = {"openvex": openvex({**SAID, "products": [PRODUCT]}), "cyclonedx": CYCLONEDX, "csaf": CSAF}


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_told_by_its_content_and_says_the_same(kind: str) -> None:
    """Ids, the component within the artifact, status, justification, author, time and the document's digest."""
    document = parsed(FORMATS[kind])
    assert (document.format, document.unknown) == (kind, ())
    (statement,) = document.statements
    assert statement.vulnerabilities == (CVE, "GHSA-jfh8-c2jp-5v3q")
    (product,) = statement.products
    assert (product.digests, [one.purls for one in product.subcomponents]) == ((IMAGE,), [(LOG4J,)])
    assert (statement.status, statement.author, statement.timestamp) == (VexStatus.NOT_AFFECTED, "Acme", NOON)
    assert "not_present" in statement.justification
    assert statement.document == document.digest
    verdict = standing_of(document.statements, {"ghsa-jfh8-c2jp-5v3q"}, HERE)
    assert verdict is not None
    assert (verdict.standing, "not_present" in verdict.reason) == (Standing.NOT_AFFECTED, True)
    assert standing_of(document.statements, {"CVE-1"}, HERE) is None
    assert standing_of(document.statements, {CVE}, replace(HERE, component="pkg:maven/a/b@1")) is None
    assert standing_of(document.statements, {CVE}, Subject(LOG4J, frozenset({OTHER}))) is None


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("resolved", "fixed"),
        ("resolved_with_pedigree", "fixed"),
        ("exploitable", "affected"),
        ("in_triage", "under_investigation"),
        ("false_positive", "not_affected"),
        ("not_affected", "not_affected"),
    ],
)
def test_cyclonedxs_states_are_the_four_statuses(state: str, status: str) -> None:
    """Six states, four statuses; an unknown state is told, and a vulnerability without an analysis states nothing."""
    one = {**CYCLONEDX["vulnerabilities"][0], "analysis": {"state": state}}  # type: ignore[index]
    odd = {**one, "analysis": {"state": "perhaps"}}
    document = parsed({**CYCLONEDX, "vulnerabilities": [one, odd, {"id": CVE, "affects": [{"ref": "l"}]}]})
    assert [found.status for found in document.statements] == [status]
    assert "vulnerabilities[1].analysis.state" in [found.what for found in document.unknown]


def test_a_bom_link_means_that_sbom_alone() -> None:
    """A real file: jackson-databind in one product's SBOM; in another's nothing is said of it."""
    (statement,) = read_vex(DATA / "vex" / "jackson.cdx.json").statements
    jackson = "pkg:maven/com.fasterxml.jackson.core/jackson-databind@2.10.0"
    link = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1"
    verdict = standing_of([statement], {"CVE-2020-25649"}, Subject(jackson, refs=frozenset({link})))
    assert verdict is not None
    assert verdict.standing is Standing.NOT_AFFECTED
    assert standing_of([statement], {"CVE-2020-25649"}, Subject(jackson)) is None


def test_versions_of_a_product_are_kept_apart() -> None:
    """A real file that calls some versions affected and others not; its product has no purl, which is told; given one,
    each version has its own standing."""
    content = (DATA / "vex" / "cisa-case-6.cdx.json").read_bytes()
    assert {one.what for one in parse_vex(content, "x").unknown} >= {"product ABC"}
    record = json.loads(content)
    record["metadata"]["component"]["purl"] = "pkg:npm/abc"
    statements = parsed(record).statements
    found = {}
    for version in ("2.4.0", "2.5.0", "3.0.0", "1.5.0"):
        verdict = standing_of(statements, {CVE}, Subject(f"pkg:npm/abc@{version}"))
        found[version] = verdict.standing.value if verdict else None
    assert found["1.5.0"] is None  # `vers:generic/>=1.0` is no version of npm: nothing is said
    record["metadata"]["component"]["purl"] = "pkg:pypi/abc"
    statements = parsed(record).statements
    for version, standing in {
        "2.4": "affected",
        "2.5": "not_affected",
        "3.0": "affected",
        "1.5": "not_affected",
    }.items():
        verdict = standing_of(statements, {CVE}, Subject(f"pkg:pypi/abc@{version}"))
        assert verdict is not None
        assert verdict.standing == standing


def said(status: str, product: VexProduct, hour: int = 12, **more: Any) -> VexStatement:
    time = NOON.replace(hour=hour)
    why = {"justification": "component_not_present"} if status == "not_affected" else {}
    fields = {"author": "Acme", "timestamp": time, **why, **more}
    return VexStatement((CVE,), (product,), VexStatus(status), **fields)


ANYWHERE = VexProduct("log4j", (LOG4J,))
ANY_VERSION = VexProduct("log4j", (LOG4J.partition("@")[0],))
IN_IMAGE = VexProduct("app", digests=(IMAGE,), subcomponents=(ANYWHERE,))
WHOLE_IMAGE = VexProduct("app", digests=(IMAGE,))
BY_NAME = VexProduct("app", ("pkg:maven/com.acme/app",), subcomponents=(ANYWHERE,))
SETTLED: dict[str, tuple[list[VexStatement], str]] = {
    "the latest wins": ([said("affected", ANYWHERE, 9), said("fixed", ANYWHERE, 10)], "not_affected"),
    "in any order": ([said("fixed", ANYWHERE, 10), said("affected", ANYWHERE, 9)], "not_affected"),
    "the artifact wins over the package": ([said("affected", IN_IMAGE, 9), said("not_affected", ANYWHERE)], "affected"),
    "the component within wins over the artifact": (
        [said("affected", IN_IMAGE, 9), said("not_affected", WHOLE_IMAGE)],
        "affected",
    ),
    "the digest wins over the name": ([said("affected", WHOLE_IMAGE, 9), said("fixed", BY_NAME)], "affected"),
    "a version wins over none": ([said("affected", ANYWHERE, 9), said("not_affected", ANY_VERSION)], "affected"),
    "a contradiction": ([said("affected", ANYWHERE), said("not_affected", ANYWHERE)], "unknown"),
    "two that agree": ([said("fixed", ANYWHERE), said("fixed", ANYWHERE, author="Beta")], "not_affected"),
    "under investigation": ([said("under_investigation", ANYWHERE)], "unknown"),
    "no justification": ([said("not_affected", ANYWHERE, justification="")], "unknown"),
    "an impact for justification": ([said("not_affected", ANYWHERE, justification="", impact="x")], "not_affected"),
    "no time": ([said("affected", ANYWHERE, 1), replace(said("fixed", ANYWHERE), timestamp=None)], "affected"),
}


@pytest.mark.parametrize("case", SETTLED)
def test_many_statements_settle_one_standing(case: str) -> None:
    """Specific before general, late before early; what contradicts itself is unknown, and says who."""
    statements, expected = SETTLED[case]
    verdict = standing_of(statements, [CVE], HERE)
    assert verdict is not None
    assert verdict.standing == expected
    assert verdict.statements
    assert "Acme" in verdict.reason
    assert settled(Standing.AFFECTED, verdict) == expected
    assert settled(Standing.AFFECTED, None) is Standing.AFFECTED


@given(st.permutations([said(s, p, h) for s in ("affected", "fixed") for p in (ANYWHERE, WHOLE_IMAGE) for h in (1, 2)]))
def test_the_order_of_statements_does_not_count(statements: list[VexStatement]) -> None:
    """Any order gives the same verdict."""
    verdict = standing_of(statements, [CVE], HERE)
    assert verdict is not None
    assert (verdict.standing, len(verdict.statements)) == (Standing.UNKNOWN, 2)


RPM = "pkg:rpm/redhat/openssl@3.0.7-24.el9?arch=x86_64&epoch=1&distro=rhel-9.3"
COVERED: list[tuple[VexProduct, str, bool]] = [
    (VexProduct("", ("pkg:pypi/Py_Torch@1.0",)), "pkg:pypi/py-torch@1.0.0", True),
    (VexProduct("", ("pkg:pypi/torch@1.0",)), "pkg:pypi/torch@1.0.1", False),
    (VexProduct("", ("pkg:pypi/torch@1.0",)), "pkg:npm/torch@1.0.0", False),
    (VexProduct("", ("pkg:npm/%40a/b",)), "pkg:npm/b@1.0.0", False),
    (VexProduct("", ("pkg:npm/b@1.0.0",)), "pkg:npm/b@latest", False),
    (VexProduct("", ("pkg:npm/b@1.0.0",)), "pkg:npm/b", False),
    (VexProduct("", ("pkg:maven/a/b@1?type=jar",)), "pkg:maven/a/b@1.0", True),
    (VexProduct("", ("pkg:maven/a/b@1?classifier=x",)), "pkg:maven/a/b@1.0", False),
    (VexProduct("", ("pkg:deb/debian/a@1-1?distro=debian-12",)), "pkg:deb/debian/a@1-1?distro=debian-12.4", True),
    (VexProduct("", ("pkg:deb/debian/a@1-1?distro=debian-12",)), "pkg:deb/debian/a@1-1", False),
    (VexProduct("", ("pkg:deb/debian/a@1-1",)), "pkg:deb/ubuntu/a@1-1", False),
    (VexProduct("", ("pkg:rpm/redhat/openssl@3.0.7-24.el9?arch=x86_64&epoch=1",)), RPM, True),
    (VexProduct("", ("pkg:rpm/redhat/openssl@3.0.7-24.el9?arch=x86_64",)), RPM, False),
    (VexProduct("", ("pkg:rpm/redhat/openssl",), release="Red Hat:enterprise_linux:9"), RPM, True),
    (VexProduct("", ("pkg:rpm/redhat/openssl",), release="Red Hat:enterprise_linux:8"), RPM, False),
    (
        VexProduct("", ("pkg:rpm/redhat/openssl",), release="Red Hat:enterprise_linux:9"),
        "pkg:rpm/redhat/openssl@1-1",
        False,
    ),
    (VexProduct("", ("pkg:pypi/torch",), versions=("vers:pypi/>=1.0|<2.0",)), "pkg:pypi/torch@1.5", True),
    (VexProduct("", ("pkg:pypi/torch",), versions=("vers:pypi/>=1.0|<2.0",)), "pkg:pypi/torch@2.0", False),
    (VexProduct("", ("pkg:pypi/torch",), subcomponents=(ANYWHERE,)), "pkg:pypi/torch@2.0", False),
]


@pytest.mark.parametrize(("product", "component", "expected"), COVERED)
def test_a_statement_speaks_of_what_its_product_names(product: VexProduct, component: str, expected: bool) -> None:
    """Names by the ecosystem's rule, versions as versions, qualifiers and releases that it states; never of another."""
    assert (standing_of([said("fixed", product)], [CVE], Subject(component)) is not None) is expected


def test_another_build_of_the_same_name_is_not_the_product() -> None:
    """Where the product has a digest and the artifact another, its name does not count."""
    product = VexProduct("app", ("pkg:oci/app",), (OTHER,))
    assert standing_of([said("fixed", product)], [CVE], Subject(LOG4J, frozenset({IMAGE}), ("pkg:oci/app",))) is None


@pytest.mark.parametrize(
    ("stated", "version", "expected"),
    [
        ("vers:pypi/*", "1", True),
        ("vers:pypi/1.0|2.0", "2.0.0", True),
        ("vers:pypi/1.0|2.0", "3.0", False),
        ("vers:pypi/!=1.0", "1.0", False),
        ("vers:pypi/!=1.0", "1.1", True),
        ("vers:pypi/<1.0|>=2.0|<3.0|>4.0", "0.5", True),
        ("vers:pypi/<1.0|>=2.0|<3.0|>4.0", "1.5", False),
        ("vers:pypi/<1.0|>=2.0|<3.0|>4.0", "2.0", True),
        ("vers:pypi/<1.0|>=2.0|<3.0|>4.0", "3.0", False),
        ("vers:pypi/<1.0|>=2.0|<3.0|>4.0", "5.0", True),
        ("vers:pypi/>=1.0|!=1.5|<2.0", "1.5", False),
        ("vers:pypi/>=1.0|!=1.5|<2.0", "1.6", True),
        ("vers:pypi/>=1.0", "banana", False),
        ("vers:pypi/banana", "1.0", False),
        ("vers:nothing/>=1.0", "1.0", False),
    ],
)
def test_ranges_of_versions_are_read_as_vers_says(stated: str, version: str, expected: bool) -> None:
    """Named versions, excepted ones, and what lies between; what cannot be compared is not stated."""
    assert within(stated, "pypi", version) is expected


def test_an_operating_systems_cpe_tells_its_release() -> None:
    """CSAF names a distribution by CPE: its package is that release's; an appliance without a purl is told as unknown."""
    tree = {
        "full_product_names": [
            {
                "product_id": "rhel",
                "product_identification_helper": {"cpe": "cpe:/o:redhat:enterprise_linux:9::baseos"},
            },
            {"product_id": "box", "name": "Appliance"},
            {"product_id": "ssl", "product_identification_helper": {"purl": "pkg:rpm/redhat/openssl"}},
        ],
        "relationships": [
            {
                "product_reference": "ssl",
                "relates_to_product_reference": outer,
                "full_product_name": {"product_id": f"{outer}:ssl"},
            }
            for outer in ("rhel", "box")
        ],
    }
    status = {"known_not_affected": ["rhel:ssl", "box:ssl"]}
    one = {"cve": CVE, "product_status": status, "threats": [{"category": "impact", "details": "not built in"}]}
    document = parsed({**CSAF, "product_tree": tree, "vulnerabilities": [one]})
    assert [found.what for found in document.unknown] == ["product box:ssl"]
    verdict = standing_of(document.statements, [CVE], Subject(RPM))
    assert verdict is not None
    assert verdict.standing is Standing.NOT_AFFECTED
    assert standing_of(document.statements, [CVE], Subject(RPM.replace("rhel-9.3", "rhel-8.6"))) is None


def test_an_attestations_subjects_are_its_products() -> None:
    """OpenVEX in an in-toto statement, in a DSSE envelope: what names no product is about the image it is attached to."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": {"sha256": "a" * 64}}],
        "predicateType": "https://openvex.dev/ns/v0.2.0",
        "predicate": openvex(SAID),
    }
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    document = parsed({"payloadType": "application/vnd.in-toto+json", "payload": payload})
    assert standing_of(document.statements, [CVE], HERE) is not None
    assert standing_of(document.statements, [CVE], Subject(LOG4J, frozenset({OTHER}))) is None


def test_what_cannot_be_taken_is_told_and_the_rest_goes_in() -> None:
    """A status that is none, a product or a subcomponent without a purl, no vulnerability."""
    good = {**SAID, "products": [LOG4J]}
    document = parsed(
        openvex(
            good,
            {**good, "status": "odd"},
            {**good, "vulnerability": 7},
            {**good, "products": ["some product"]},
            {**good, "products": [{"@id": "pkg:oci/app", "subcomponents": ["a library"]}]},
        )
    )
    assert len(document.statements) == 1
    assert len(document.unknown) == 6


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"bomFormat": "other"}', b"<bom/>", b'{"document": {"csaf_version": "1.2"}}']
)
def test_what_is_no_vex_is_refused(content: bytes) -> None:
    """With what to do."""
    with pytest.raises(BadInputError) as caught:
        parse_vex(content, "vex.json")
    assert caught.value.fix


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["ref", "purl", "product", "statements", "products", "branches", "cve"]), inner, max_size=3), max_leaves=6)  # fmt: skip


@given(st.sampled_from([*FORMATS]), st.data())
def test_a_field_of_the_wrong_kind_breaks_nothing(kind: str, data: st.DataObject) -> None:
    """Any value in the place of any other: the document is refused with reason, or read for what is left."""
    document = json.loads(json.dumps(FORMATS[kind]))
    place: Any = document
    while True:
        keys = [*place] if isinstance(place, dict) else [*range(len(place))]
        key = data.draw(st.sampled_from(keys))
        if not place[key] or not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            place[key] = data.draw(JSON)
            break
        place = place[key]
    try:
        found = parsed(document)
    except BadInputError:
        return
    standing_of(found.statements, [CVE], HERE)
