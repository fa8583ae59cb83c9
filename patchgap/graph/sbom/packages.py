"""The package that an SBOM's entry stands for: its purl read once, however many files name it.

Most purls are plain and already canonical; for those a short path fills the package's fields without taking the purl
apart in general. What that path cannot take for certain goes to `patchgap.graph.purl`, and a test holds the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from patchgap.graph import purl as purls

_NO_PACKAGE = frozenset({"none", "oci", "docker"})
_SOURCE_RPM = re.compile(r"(?P<name>.+)-[^-]+-[^-]+\.(?:no)?src\.rpm")
_WORD = r"[A-Za-z0-9._~-]++"
_VALUE = r"(?=[^&])[A-Za-z0-9._~:/-]*+(?:%(?:40|2B)[A-Za-z0-9._~:/-]*+)*+"
_PLAIN = re.compile(  # possessive throughout: it never goes back
    r"pkg:(apk|cargo|deb|gem|golang|maven|npm|nuget|pypi|rpm)/"
    rf"((?:%40)?{_WORD}(?:/{_WORD})*+)"
    r"@([A-Za-z0-9._~:+-]++(?:%2B[A-Za-z0-9._~:+-]*+)*+)"
    rf"(?:\?([a-z][a-z_]*+={_VALUE}(?:&[a-z][a-z_]*+={_VALUE})*+))?"
)
_LOWER = frozenset({"apk", "npm", "pypi"})
_NO_EPOCH = frozenset({"", "0"})
_KEPT = 1 << 17  # purls: some 50 MB
_known: dict[str, Package | None] = {}
_new = tuple.__new__


class Package(NamedTuple):
    """A package as it is stored. `ecosystem` and `purl` are empty for one that its SBOM names without a usable purl."""

    ecosystem: str
    vendor: str
    name: str
    version: str
    purl: str
    distro: str = ""
    source: str = ""
    source_version: str = ""

    @property
    def identity(self) -> str:
        """What no other package has: tools also write a source package beside the purl, and a name without purl may
        hold anything, a purl's text too."""
        if not self.purl:
            return f"{len(self.name)}:{self.name}@{self.version}"
        return f"{self.purl} {self.source}@{self.source_version}" if self.source else self.purl


class Source(NamedTuple):
    """The source package that a distribution's package was built from, where the SBOM says it beside the purl."""

    name: str = ""
    version: str = ""


_NO_SOURCE = Source()


class _Fields(NamedTuple):
    """A purl's qualifiers: in canonical order, and what of them is stored; `systems` where only a system's package has
    such."""

    text: str = ""
    distro: str = ""
    epoch: str = ""
    source: Source = _NO_SOURCE
    systems: bool = False


_NO_FIELDS = _Fields()
_UNREAD = Package("", "", "", "", "")


def named_by(purl: str) -> Package | None:
    """The package that the purl alone names, without a version where it has none; None where it cannot be read."""
    found = _known.get(purl, _UNREAD)
    return _learn(purl) if found is _UNREAD else found


def all_named_by(every: Sequence[str | None]) -> list[Package | None]:
    """What `named_by` gives for each; None where there is no purl."""
    found = [_known.get(purl) if purl else None for purl in every]
    return [one or (_learn(purl) if purl else None) for one, purl in zip(found, every, strict=True)]


def package(name: str, version: str, group: str = "", purl: str = "", source: Source = _NO_SOURCE) -> Package:
    """The package that an SBOM's entry stands for. A purl that cannot be read leaves a nameless package, not none."""
    found = named_by(purl) if purl else None
    if found is None:
        return Package("", "", f"{group}/{name}" if group else name, version, "")
    if version and not found.version:
        found = _from_purl(purls.with_version(purls.parse(purl), version))
    if source.name and not found.source:
        built = purls.normal_name(found.ecosystem, source.name)
        return found._replace(source=built, source_version=source.version)
    return found


def _learn(purl: str) -> Package | None:
    """The package that the purl alone names; None where it names none."""
    found = _plain(purl) or _any(purl)
    if len(_known) >= _KEPT:
        _known.clear()
    _known[purl] = found
    return found


def _any(purl: str) -> Package | None:
    try:
        found = purls.parse(purl)
    except ValueError:
        return None
    return None if found.type in _NO_PACKAGE else _from_purl(found)


def _from_purl(found: purls.Purl) -> Package:
    found = purls.with_epoch(found)
    source = _upstream(found.qualifiers.get("upstream", ""))
    return Package(
        found.ecosystem,
        found.vendor,
        found.full_name,
        found.version,
        found.text,
        found.qualifiers.get("distro", ""),
        purls.normal_name(found.ecosystem, source.name),
        source.version,
    )


def _upstream(text: str) -> Source:
    """Of Syft's qualifier: `name`, `name@version` or a source RPM's file, which lacks the epoch."""
    if built := _SOURCE_RPM.fullmatch(text):
        return Source(built["name"])
    name, _, version = text.partition("@")
    return Source(name, version)


def _plain(text: str) -> Package | None:
    """The short path; None where the purl is not plain."""
    if "%3A" in text:
        text = text.replace("%3A", ":")
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    kind, path, version, qualifiers = match.groups()
    namespace, _, name = path.rpartition("/")
    if kind in _LOWER and not name.islower():
        return None
    if "+" in version or "%" in version:
        version = version.replace("%2B", "+")
        text = f"pkg:{kind}/{path}@{version.replace('+', '%2B')}{f'?{qualifiers}' if qualifiers else ''}"
    fields = _NO_FIELDS
    if qualifiers:
        read = _fields(qualifiers)
        if read is None:
            return None
        fields = read
        if fields.text != qualifiers:
            text = f"{text.partition('?')[0]}?{fields.text}"
    return _FILL[kind](kind, namespace, name, version, fields, text)


@lru_cache(1 << 12)
def _fields(qualifiers: str) -> _Fields | None:
    """Of all packages of a system most have the same qualifiers. None where a key stands twice."""
    pairs = sorted(qualifiers.split("&"))  # as by key: `=` comes before what keys are made of
    found = dict([pair.split("=", 1) for pair in pairs])
    if len(found) != len(pairs):
        return None
    upstream, distro, epoch = (
        found.get(key, "").replace("%2B", "+").replace("%40", "@") for key in ("upstream", "distro", "epoch")
    )
    return _Fields("&".join(pairs), distro, epoch, _upstream(upstream), bool(upstream or distro))


def _system(kind: str, vendor: str, name: str, version: str, fields: _Fields, text: str) -> Package | None:
    if "%" in vendor or "%" in name or (kind == "apk" and not vendor.islower()):
        return None
    if fields.epoch not in _NO_EPOCH and kind != "apk" and ":" not in version:
        version = f"{fields.epoch}:{version}"
    built, built_version = fields.source
    if kind == "rpm":
        return _new(Package, (kind, vendor.lower(), name, version, text, fields.distro, built, built_version))
    return _new(
        Package, (kind, vendor.lower(), name.lower(), version, text, fields.distro, built.lower(), built_version)
    )


def _npm(kind: str, scope: str, name: str, version: str, fields: _Fields, text: str) -> Package | None:
    if not scope:
        full = name
    elif scope.startswith("%40") and "/" not in scope:
        scope = f"@{scope[3:]}".lower()
        full = f"{scope}/{name}"
    else:
        return None
    return None if fields.systems else _new(Package, (kind, scope, full, version, text, "", "", ""))


def _pypi(kind: str, namespace: str, name: str, version: str, fields: _Fields, text: str) -> Package | None:
    if namespace or "_" in name or "." in name or "--" in name or "%" in name or fields.systems:
        return None
    return _new(Package, (kind, "", name, version, text, "", "", ""))


def _maven(kind: str, group: str, name: str, version: str, fields: _Fields, text: str) -> Package | None:
    if not group or "%" in group or fields.systems:
        return None
    return _new(Package, (kind, group.lower(), f"{group}:{name}", version, text, "", "", ""))


def _library(kind: str, namespace: str, name: str, version: str, fields: _Fields, text: str) -> Package | None:
    if "%" in namespace or "%" in name or fields.systems:
        return None
    full = purls.full_name(kind, namespace, name)
    return _new(Package, (kind, namespace.lower(), full, version, text, "", "", ""))


_FILL: dict[str, Callable[[str, str, str, str, _Fields, str], Package | None]] = {
    "apk": _system, "deb": _system, "rpm": _system, "npm": _npm, "pypi": _pypi, "maven": _maven,
    "cargo": _library, "gem": _library, "golang": _library, "nuget": _library,
}  # fmt: skip
