"""The package that an SBOM's entry stands for: its purl read once, however many files name it.

Most purls are plain and already canonical; for those a short path fills the package's fields without taking the purl
apart in general. What that path cannot take for certain goes to `patchgap.graph.purl`, and a test holds the two equal.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from patchgap.graph import purl as purls

_NO_PACKAGE = frozenset({"none", "oci", "docker"})
_SOURCE_RPM = re.compile(r"(?P<name>.+)-[^-]+-[^-]+\.(?:no)?src\.rpm")
_WORD = r"[A-Za-z0-9._~-]++"
_VALUE = r"(?=[^&])[A-Za-z0-9._~:/-]*+(?:%(?:40|2B)[A-Za-z0-9._~:/-]*+)*+"
_PLAIN = re.compile(  # possessive throughout: it never goes back
    r"pkg:(apk|cargo|deb|gem|golang|maven|npm|nuget|pypi|rpm)/"
    rf"((?:%40)?{_WORD}(?:/{_WORD})*+)"
    r"@([A-Za-z0-9._~:-]++(?:%2B[A-Za-z0-9._~:-]*+)*+)"
    rf"(?:\?([a-z][a-z_]*+={_VALUE}(?:&[a-z][a-z_]*+={_VALUE})*+))?"
)
_LOWER = frozenset({"apk", "npm", "pypi"})
_SYSTEM = frozenset({"apk", "deb", "rpm"})  # the namespace is the vendor and no part of the name
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


def known(purl: str) -> Package | None:
    """The package that the purl names, where it has been read before and says all."""
    found = _known.get(purl)
    return found if found is not None and found.version else None


def package(name: str, version: str, group: str = "", purl: str = "", source: Source = _NO_SOURCE) -> Package:
    """The package that an SBOM's entry stands for. A purl that cannot be read leaves a nameless package, not none."""
    if purl:
        found = _known[purl] if purl in _known else _learn(purl)
        if found is not None:
            if version and not found.version:
                found = _from_purl(purls.with_version(purls.parse(purl), version))
            if source.name and not found.source:
                name = purls.normal_name(found.ecosystem, source.name)
                return found._replace(source=name, source_version=source.version)
            return found
    return Package("", "", f"{group}/{name}" if group else name, version, "")


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
        found.namespace.lower(),
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
    """The short path; None where the purl is not plain or not canonical as it stands."""
    if "%3A" in text:
        text = text.replace("%3A", ":")
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    kind, path, version, qualifiers = match.groups()
    namespace, _, name = path.rpartition("/")
    if kind in _LOWER and not name.islower():
        return None
    if "%" in version:
        version = version.replace("%2B", "+")
    if kind in _SYSTEM:
        return _system(kind, namespace, name, version, qualifiers, text)
    if qualifiers is not None and ("upstream=" in qualifiers or "distro=" in qualifiers or not _sorted(qualifiers)):
        return None
    if kind == "npm" and (not namespace or (namespace.startswith("%40") and "/" not in namespace)):
        namespace = namespace.replace("%40", "@")
        full = f"{namespace}/{name}".lower() if namespace else name
    elif "%" in path or (kind == "pypi" and (namespace or "_" in name or "." in name or "--" in name)):
        return None
    else:
        full = name if kind == "pypi" else purls.full_name(kind, namespace, name)
    return _new(Package, (kind, namespace.lower(), full, version, text, "", "", ""))


def _system(kind: str, vendor: str, name: str, version: str, qualifiers: str | None, text: str) -> Package | None:
    if "%" in vendor or "%" in name or (kind == "apk" and not vendor.islower()):
        return None
    full = name if kind == "rpm" else name.lower()
    if qualifiers is None:
        return _new(Package, (kind, vendor.lower(), full, version, text, "", "", ""))
    if not _sorted(qualifiers):
        return None
    if "%" in qualifiers:
        qualifiers = qualifiers.replace("%2B", "+").replace("%40", "@")
    pairs = dict(pair.split("=", 1) for pair in qualifiers.split("&"))
    epoch = pairs.get("epoch", "0")
    if epoch != "0" and kind != "apk" and ":" not in version:
        version = f"{epoch}:{version}"
    upstream = pairs.get("upstream")
    source = _upstream(upstream) if upstream else _NO_SOURCE
    built = source.name if kind == "rpm" else source.name.lower()
    distro = pairs.get("distro", "")
    return _new(Package, (kind, vendor.lower(), full, version, text, distro, built, source.version))


def _sorted(qualifiers: str) -> bool:
    """Whether the keys stand in the canonical order, each once."""
    keys = [pair.partition("=")[0] for pair in qualifiers.split("&")]
    return all(one < other for one, other in pairwise(keys))
