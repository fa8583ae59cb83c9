"""CycloneDX JSON's object as XML, written by hand from the specification's schema, for the readers' tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree as ET


def as_xml(bom: Mapping[str, Any], encoding: str = "utf-8") -> bytes:
    """CycloneDX JSON's object as XML."""
    root = ET.Element("bom", xmlns=f"http://cyclonedx.org/schema/bom/{bom['specVersion']}")
    root.set("version", str(bom.get("version", 1)))
    if "serialNumber" in bom:
        root.set("serialNumber", bom["serialNumber"])
    if "metadata" in bom:
        metadata = ET.SubElement(root, "metadata")
        _xml_texts(metadata, bom["metadata"], "timestamp")
        _xml_each(metadata, bom["metadata"], "authors", "author", _xml_name)
        if "component" in bom["metadata"]:
            _xml_component(metadata, bom["metadata"]["component"])
        for name in ("manufacture", "manufacturer", "supplier"):
            if name in bom["metadata"]:
                _xml_name(ET.SubElement(metadata, name), bom["metadata"][name])
        _xml_properties(metadata, bom["metadata"])
    _xml_components(root, bom)
    _xml_services(root, bom)
    _xml_edges(root, bom)
    _xml_compositions(root, bom)
    _xml_each(root, bom, "vulnerabilities", "vulnerability", _xml_vulnerability)
    return bytes(ET.tostring(root, encoding, xml_declaration=True))


def _xml_edges(root: ET.Element, bom: Mapping[str, Any]) -> None:
    if "dependencies" in bom:
        held = ET.SubElement(root, "dependencies")
        for one in bom["dependencies"]:
            parent = ET.SubElement(held, "dependency", ref=one["ref"])
            for child in one.get("dependsOn", ()):
                ET.SubElement(parent, "dependency", ref=child)


def _xml_compositions(root: ET.Element, bom: Mapping[str, Any]) -> None:
    held = ET.SubElement(root, "compositions")
    for one in bom.get("compositions", ()):
        composition = ET.SubElement(held, "composition")
        ET.SubElement(composition, "aggregate").text = one["aggregate"]
        for plural, single in (("assemblies", "assembly"), ("dependencies", "dependency")):
            if plural in one:
                listed = ET.SubElement(composition, plural)
                for reference in one[plural]:
                    ET.SubElement(listed, single, ref=reference)


def _xml_component(parent: ET.Element, one: Mapping[str, Any]) -> None:
    made = ET.SubElement(parent, "component", type=one.get("type", "library"))
    if "bom-ref" in one:
        made.set("bom-ref", one["bom-ref"])
    for field in ("group", "name", "version"):
        if field in one:
            ET.SubElement(made, field).text = one[field]
    if "hashes" in one:
        held = ET.SubElement(made, "hashes")
        for found in one["hashes"]:
            ET.SubElement(held, "hash", alg=found["alg"]).text = found["content"]
    if "purl" in one:
        ET.SubElement(made, "purl").text = one["purl"]
    if "externalReferences" in one:
        held = ET.SubElement(made, "externalReferences")
        for found in one["externalReferences"]:
            ET.SubElement(ET.SubElement(held, "reference", type=found["type"]), "url").text = found["url"]
    _xml_properties(made, one)
    _xml_components(made, one)


def _xml_components(parent: ET.Element, one: Mapping[str, Any]) -> None:
    if "components" in one:
        held = ET.SubElement(parent, "components")
        for found in one["components"]:
            _xml_component(held, found)


def _xml_services(parent: ET.Element, one: Mapping[str, Any]) -> None:
    if "services" in one:
        held = ET.SubElement(parent, "services")
        for found in one["services"]:
            made = ET.SubElement(held, "service", {"bom-ref": found["bom-ref"]})
            ET.SubElement(made, "name").text = found["name"]
            _xml_services(made, found)


def _xml_properties(parent: ET.Element, one: Mapping[str, Any]) -> None:
    if "properties" in one:
        held = ET.SubElement(parent, "properties")
        for found in one["properties"]:
            ET.SubElement(held, "property", name=found["name"]).text = found["value"]


def _xml_texts(parent: ET.Element, one: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name in one:
            ET.SubElement(parent, name).text = one[name]


def _xml_name(parent: ET.Element, one: Mapping[str, Any]) -> None:
    _xml_texts(parent, one, "name")


def _xml_each(
    parent: ET.Element, one: Mapping[str, Any], key: str, name: str, write: Callable[[ET.Element, Any], None]
) -> None:
    if key in one:
        held = ET.SubElement(parent, key)
        for found in one[key]:
            write(ET.SubElement(held, name), found)


def _xml_vulnerability(made: ET.Element, one: Mapping[str, Any]) -> None:
    _xml_texts(made, one, "id")
    _xml_each(made, one, "references", "reference", lambda held, found: _xml_texts(held, found, "id"))
    _xml_texts(made, one, "recommendation", "updated")
    if "analysis" in one:
        analysis = ET.SubElement(made, "analysis")
        _xml_texts(analysis, one["analysis"], "state", "justification")
        if "response" in one["analysis"]:
            held = ET.SubElement(analysis, "responses")
            for found in one["analysis"]["response"]:
                ET.SubElement(held, "response").text = found
        _xml_texts(analysis, one["analysis"], "detail", "firstIssued", "lastUpdated")
    _xml_each(made, one, "affects", "target", _xml_target)


def _xml_target(made: ET.Element, one: Mapping[str, Any]) -> None:
    _xml_texts(made, one, "ref")
    _xml_each(made, one, "versions", "version", lambda held, v: _xml_texts(held, v, "version", "range", "status"))
