"""CycloneDX VEX says the same in JSON, XML and protobuf, and what each form alone can do to a reader is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from graph_fleet import DATA
from sbom_as_protobuf import as_protobuf, each, wire
from sbom_as_xml import as_xml
from sbom_formats import DIGEST, NAME, as_json, cyclonedx

from patchgap.errors import BadInputError
from patchgap.graph.files import read_content, read_file
from patchgap.graph.sbom.document import SbomDocument
from patchgap.graph.vex.read import parse_vex, read_vex
from patchgap.graph.vex.standing import Subject, standing_of
from patchgap.model.exposure import Standing
from patchgap.model.vex import VexDocument, VexStatus

FORMS: dict[str, Callable[[Mapping[str, Any]], bytes]] = {"json": as_json, "xml": as_xml, "protobuf": as_protobuf}
EXPRESS = "pkg:npm/express@4.19.2"
CVE = "CVE-2026-1"
SAID = {
    "id": CVE,
    "references": [{"id": "GHSA-aaaa-bbbb-cccc", "source": {"name": "GitHub"}}, {"id": "NPM-7", "source": {}}],
    "recommendation": "Upgrade & restart.",
    "updated": "2026-11-20T08:00:00+00:00",
    "analysis": {
        "state": "not_affected", "justification": "code_not_reachable", "response": ["will_not_fix", "update"],
        "detail": "Nothing <calls> it.", "firstIssued": "2026-11-21T08:00:00+00:00", "lastUpdated": "2026-11-22T08:00:00+00:00",
    },
    "affects": [{"ref": "r-express"}, {"ref": "r-requests"}],
}  # fmt: skip


def said_of(state: str, **more: Any) -> dict[str, Any]:
    return {"id": CVE, "analysis": {"state": state}, "affects": [{"ref": "r-express"}], **more}


def bom(*vulnerabilities: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return cyclonedx(
        **{"serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79", **fields},
        vulnerabilities=[*vulnerabilities],
    )


ROOT = cyclonedx()["metadata"]["component"]
BOMS: dict[str, dict[str, Any]] = {
    "everything of a statement": bom(SAID),
    "each state": bom(*map(said_of, ("resolved", "resolved_with_pedigree", "exploitable", "in_triage", "false_positive"))),
    "no analysis, no state, no id": bom({"id": CVE, "affects": [{"ref": "r-express"}]}, said_of(""), said_of("exploitable", id="")),
    "nothing affected, and nothing that is known": bom(
        said_of("exploitable", affects=[]), said_of("exploitable", affects=[{"ref": "x"}, {"ref": "r-zoë"}])
    ),
    "the image itself": bom(said_of("resolved", affects=[{"ref": "root"}])),
    "a purl and a BOM-Link": bom(said_of("resolved", affects=[
        {"ref": EXPRESS}, {"ref": "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#" + "pkg%3Anpm%2Fexpress%404.19.2"}])),
    "versions": bom(said_of("exploitable", affects=[{"ref": "r-express", "versions": [
        {"version": "4.19.2"}, {"range": "vers:npm/>=4.0.0|<4.19.0", "status": "affected"},
        {"version": "4.20.0", "status": "unaffected"}, {"version": "3.0.0", "status": "unknown"}]}])),
    "only versions of another kind": bom(said_of("exploitable", affects=[{"ref": "r-express", "versions": [
        {"version": "4.20.0", "status": "unaffected"}]}])),
    "a supplier and a time": bom(said_of("in_triage"), metadata={
        "component": ROOT, "supplier": {"name": "Acme"}, "timestamp": "2026-11-24T12:00:00+00:00"}),
    "a manufacturer": bom(said_of("in_triage"), metadata={"component": ROOT, "manufacturer": {"name": "Acme"}}),
    "an older manufacturer": bom(said_of("in_triage"), metadata={"component": ROOT, "manufacture": {"name": "Acme"}}),
    "authors": bom(said_of("in_triage"), metadata={"component": ROOT, "authors": [{"name": "Zoë"}, {"name": "Ann"}]}),
    "an image known by a hash": bom(said_of("exploitable"), metadata={
        "component": {"type": "container", "name": NAME, "bom-ref": "root", "hashes": [{"alg": "SHA-256", "content": "d" * 64}]}}),
    "no described component": bom(SAID, metadata={}),
    "a later version of the SBOM": {**bom(SAID), "version": 7},
    "nested components, and a service": bom(said_of("exploitable", affects=[{"ref": "inner"}, {"ref": "s"}]), components=[
        {"name": "outer", "components": [{"name": "inner", "bom-ref": "inner", "purl": "pkg:npm/inner@1.0.0",
                                          "hashes": [{"alg": "SHA-1", "content": "e" * 40}]}]}],
        services=[{"bom-ref": "s", "name": "a service"}]),
}  # fmt: skip


def taken(document: VexDocument) -> tuple[Any, ...]:
    """What a document says, without the digest of the file that says it."""
    return document.format, [replace(one, document="") for one in document.statements], document.unknown


@pytest.mark.parametrize("form", ["xml", "protobuf"])
@pytest.mark.parametrize("name", BOMS)
def test_each_form_says_what_json_says(form: str, name: str) -> None:
    """Statements, what could not be taken, and the document's own digest."""
    content = FORMS[form](BOMS[name])
    found, wanted = parse_vex(content, "bom"), parse_vex(as_json(BOMS[name]), "bom")
    assert taken(found) == taken(wanted)
    assert found.digest != wanted.digest
    assert wanted.statements or wanted.unknown
    assert all(one.document == found.digest for one in found.statements)


@pytest.mark.parametrize("form", FORMS)
def test_a_statement_is_taken_whole(form: str) -> None:
    """Ids, status, justification, the words for people, author, time, and the component within the image alone."""
    document = parse_vex(FORMS[form](BOMS["everything of a statement"]), "bom")
    (one,) = document.statements
    assert (one.vulnerabilities, one.status) == ((CVE, "GHSA-aaaa-bbbb-cccc", "NPM-7"), VexStatus.NOT_AFFECTED)
    assert (one.justification, one.impact, one.action) == (
        "code_not_reachable",
        "Nothing <calls> it.",
        "Upgrade & restart.",
    )
    assert str(one.timestamp) == "2026-11-22 08:00:00+00:00"
    assert [(product.digests, product.subcomponents[0].purls) for product in one.products] == [
        ((DIGEST,), (EXPRESS,)), ((DIGEST,), ("pkg:pypi/requests@2.31.0",)),
    ]  # fmt: skip
    here = standing_of(document.statements, {CVE}, Subject(EXPRESS, frozenset({DIGEST})))
    assert here is not None
    assert here.standing is Standing.NOT_AFFECTED
    assert standing_of(document.statements, {CVE}, Subject(EXPRESS, frozenset({"sha256:" + "0" * 64}))) is None


@pytest.mark.parametrize("version", ["1.4", "1.5", "1.6", "1.7"])
@pytest.mark.parametrize(
    "name", ["everything of a statement", "each state", "versions", "authors", "a purl and a BOM-Link"]
)
def test_what_cyclonedxs_own_library_writes_says_the_same(version: str, name: str) -> None:
    """One BOM, written by the library of CycloneDX as JSON and as XML."""
    document = Bom.from_json(BOMS[name])  # type: ignore[attr-defined]  # made by a decorator
    schema = SchemaVersion.from_version(version)
    written = [
        make_outputter(document, form, schema).output_as_string() for form in (OutputFormat.JSON, OutputFormat.XML)
    ]
    in_json, in_xml = (parse_vex(text.encode(), "bom") for text in written)
    assert taken(in_xml) == taken(in_json)
    assert in_xml.statements


@pytest.mark.parametrize("name", ["jackson", "cisa-case-6"])
def test_a_real_document_says_the_same_in_every_form(name: str) -> None:
    """CycloneDX's own examples: JSON, the XML that its library makes of it, the protobuf that its schema's does."""
    path = DATA / "vex" / f"{name}.cdx.json"
    document = Bom.from_json(json.loads(path.read_bytes()))  # type: ignore[attr-defined]
    in_xml = make_outputter(document, OutputFormat.XML, SchemaVersion.V1_4).output_as_string()
    wanted = read_vex(path)
    assert taken(parse_vex(in_xml.encode(), "bom")) == taken(wanted)
    assert taken(read_vex(path.with_suffix(".pb"))) == taken(wanted)


@pytest.mark.parametrize("form", FORMS)
def test_an_sbom_that_states_something_is_both(form: str) -> None:
    """Its packages and its statements go in together; without packages it is VEX alone, without statements an SBOM."""
    both = read_content(FORMS[form](bom(SAID)), "bom")
    assert isinstance(both, SbomDocument)
    assert (len(both.packages), both.vex and len(both.vex.statements)) == (4, 1)
    alone = read_content(FORMS[form](bom(said_of("resolved", affects=[{"ref": "root"}]), components=[])), "bom")
    assert isinstance(alone, VexDocument)
    silent = read_content(FORMS[form](bom({"id": CVE, "affects": [{"ref": "r-express"}]})), "bom")
    assert isinstance(silent, SbomDocument)
    assert silent.vex is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_xml_states_in_whatever_encoding_it_is_written(encoding: str, tmp_path: Path) -> None:
    """By its content and not by its name."""
    path = tmp_path / "vex.json"
    path.write_bytes(as_xml(bom(SAID), encoding))
    found = read_file(path)
    assert isinstance(found, SbomDocument)
    assert found.vex
    assert len(found.vex.statements) == 1


XML = as_xml(bom(SAID)).decode()
ODD_XML = {
    "another namespace's analysis": (XML.replace("<analysis>", '<analysis xmlns="urn:x">'), 0),
    "another namespace's state": (XML.replace("<state>", '<state xmlns="urn:x">'), 0),
    "statements in two lists": (XML.replace("</vulnerabilities>", "</vulnerabilities>" + XML[XML.index("<vulnerabilities>"):XML.index("</bom>")]), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_XML)
def test_odd_xml_states_what_it_says_itself(name: str) -> None:
    """Nothing of another namespace counts, and nothing of its own is lost."""
    content, count = ODD_XML[name]
    statements = parse_vex(content.encode(), "bom.xml").statements
    assert len(statements) == count
    assert all(one.vulnerabilities[0] == CVE for one in statements)


MANY = 200_001
PROTOBUF = as_protobuf(bom(SAID))
STATED = XML.partition("<vulnerabilities>")[0]
REFUSED = {
    "two states": (XML.replace("<state>", "<state>exploitable</state><state>"), "its analysis has more than one state"),
    "two analyses": (XML.replace("<analysis>", "<analysis/><analysis>"), "its vulnerability has more than one analysis"),
    "an entity": (XML.replace("<bom", "<!DOCTYPE bom [<!ENTITY a 'b'>]><bom", 1), "it declares an entity"),
    "elements without end": (XML.replace("<analysis>", "<x>" * 300 + "</x>" * 300 + "<analysis>"), "nested too deeply"),
    "components without end": (STATED + "<components>" + "<component><components>" * 300 + "<vulnerabilities>", "nested too deeply"),
    "more than can be meant": (STATED + "<vulnerabilities>" + "<vulnerability/>" * MANY, "more than 200,000 vulnerabilities"),
    "cut off": (XML[:-9], "no element found|unclosed token"),
    "protobuf, cut off": (PROTOBUF[:-5], "ends early"),
    "protobuf, a state that is text": (wire(1, "1.6") + wire(10, wire(16, wire(1, "x"))), "its field 1 has another type"),
    "protobuf, an id that is a number": (wire(1, "1.6") + wire(10, wire(2, 7)), "its field 2 has another type"),
    "protobuf, more than can be meant": (wire(1, "1.6") + wire(10, b"") * MANY, "more than 200,000 vulnerabilities"),
    "protobuf, an id of no encoding": (wire(1, "1.6") + wire(10, wire(2, b"\xff")), "not UTF-8"),
    "larger than any": (XML + " " * (64 << 20), "larger than 64 MiB"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_broken_or_a_bomb_is_refused(name: str) -> None:
    """With the file's name and the reason."""
    content, problem = REFUSED[name]
    with pytest.raises(BadInputError, match=problem) as caught:
        parse_vex(content.encode() if isinstance(content, str) else content, "vex/bom")
    assert str(caught.value).startswith("vex/bom: ")


def test_protobufs_numbers_to_come_are_no_state() -> None:
    """A state that this version does not know is told, and a response one by one is read as a packed one is."""
    component = wire(5, wire(3, "c") + wire(8, "c") + wire(16, EXPRESS))
    unknown = wire(10, wire(2, CVE) + wire(16, wire(1, 99)) + wire(17, wire(1, "c")))
    apart = wire(10, wire(2, CVE) + wire(16, wire(1, 3) + wire(3, 2) + wire(3, 3)) + each(17, [wire(1, "c")]))
    found = parse_vex(wire(1, "1.6") + component + unknown + apart, "bom")
    assert [(one.status, one.action) for one in found.statements] == [(VexStatus.AFFECTED, "will_not_fix, update")]
    assert [one.reason.partition(" of ")[0] for one in found.unknown] == ["'99' is none"]
