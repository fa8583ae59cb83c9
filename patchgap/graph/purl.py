"""Package URLs: parsed, canonical, and the name that each ecosystem itself uses.

`packageurl` is the oracle: what the short path below cannot take for certain goes to it, and a test holds the two
equal over real purls. Knows nothing of versions' order.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_WORD = r"[A-Za-z0-9._~-]+"
_PLAIN = re.compile(
    r"pkg:(apk|cargo|composer|deb|gem|golang|maven|npm|nuget|pypi|rpm)/"
    rf"((?:(?:%40|@)?{_WORD})(?:/{_WORD})*/)?({_WORD})"
    r"(?:@([A-Za-z0-9._~:+-]+))?"
    r"(?:\?([a-z][a-z_]*=[A-Za-z0-9._~:/-]+(?:&[a-z][a-z_]*=[A-Za-z0-9._~:/-]+)*))?"
)
_LOWER_NAME = frozenset({"apk", "composer", "npm", "pypi"})
_LOWER_NAMESPACE = frozenset({"apk", "composer", "pypi"})
_CASELESS = frozenset(
    {"npm", "composer", "nuget", "deb", "apk", "githubactions", "github", "bitnami", "conan", "hex", "pub"}
)
_SCHEME_OF = "pkg:"
_REPOSITORIES = frozenset({"githubactions", "github"})
_SCHEME = re.compile(r"(?:https?|ssh|git)://(?:[^@/]*@)?")
_SEPARATORS = re.compile(r"[-_.]+")
_LAST = re.compile(r"[/:]")
_JOINED = {"maven": ":"}  # how an ecosystem writes namespace and name as one; "/" for the others
_VENDOR = frozenset({"apk", "deb", "rpm", "oci", "docker", "alpm", "generic"})  # the namespace is no part of the name
STANDARD = {"std": "stdlib"}  # Go's own packages: as modules name them, and as the vulnerability database does
IMAGES = frozenset({"oci", "docker"})
_DISTRIBUTIONS = {  # written as a type: of which type their packages are
    "alpine": "apk", "wolfi": "apk", "chainguard": "apk", "debian": "deb", "ubuntu": "deb", "redhat": "rpm", "rhel": "rpm",
    "centos": "rpm", "fedora": "rpm", "rocky": "rpm", "almalinux": "rpm", "suse": "rpm", "opensuse": "rpm", "oracle": "rpm",
}  # fmt: skip
_SYNONYMS = _DISTRIBUTIONS | {
    "dpkg": "deb", "apt": "deb", "yum": "rpm", "dnf": "rpm",
    "python": "pypi", "pip": "pypi", "wheel": "pypi", "egg": "pypi",
    "node": "npm", "nodejs": "npm", "javascript": "npm", "yarn": "npm", "pnpm": "npm",
    "java": "maven", "jar": "maven", "gradle": "maven", "go": "golang", "gomod": "golang", "go-module": "golang",
    "rust": "cargo", "crate": "cargo", "crates": "cargo", "ruby": "gem", "rubygems": "gem", "bundler": "gem",
    "dotnet": "nuget", "php": "composer", "packagist": "composer", "elixir": "hex", "dart": "pub", "flutter": "pub",
    "haskell": "hackage", "github-actions": "githubactions", "swiftpm": "swift",
}  # fmt: skip


class Purl(NamedTuple):
    """A parsed purl; fields are decoded, empty where absent. `text` is the canonical form."""

    type: str
    namespace: str
    name: str
    version: str
    qualifiers: dict[str, str]
    text: str

    @property
    def ecosystem(self) -> str:
        """The type, with what tools write for it made the same."""
        return type_of(self.type)

    @property
    def vendor(self) -> str:
        """The namespace in lower case; the distribution that the type names in place of its packages' own type."""
        return self.type if self.type in _DISTRIBUTIONS else self.namespace.lower()

    @property
    def full_name(self) -> str:
        """The name as the ecosystem itself writes it: `org.apache:core`, `@scope/name`, `zlib1g`."""
        return full_name(self.ecosystem, self.namespace, self.name)


def type_of(name: str) -> str:
    """The purl type, with what tools write for it made the same: a language's or a distribution's name, a tool's."""
    return _SYNONYMS.get(name, name)


def parse(text: str) -> Purl:
    """The purl. Raises ValueError where it is none."""
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        return _parse_any(text)
    kind, namespace, name, version, qualifiers = plain.groups(default="")
    namespace = namespace.removesuffix("/")
    if "@" in namespace or "%" in namespace:
        if kind != "npm" or "/" in namespace:
            return _parse_any(text)
        namespace = "@" + namespace.lstrip("@").removeprefix("%40")
    if kind in _LOWER_NAMESPACE:
        namespace = namespace.lower()
    if kind in _LOWER_NAME:
        name = name.lower()
    if kind == "pypi":
        name = name.replace("_", "-")
    return _assemble(kind, namespace, name, version, qualifiers)


def canonical(text: str) -> str:
    """The purl's canonical form; the text itself where it is no purl."""
    try:
        return parse(text).text
    except ValueError:
        return text


def _assemble(kind: str, namespace: str, name: str, version: str, qualifiers: str) -> Purl:
    pairs = dict(pair.split("=", 1) for pair in qualifiers.split("&")) if qualifiers else {}
    text = f"pkg:{kind}/"
    if namespace:
        text += namespace.replace("@", "%40") + "/"
    text += name
    if version:
        text += "@" + version.replace("+", "%2B")
    if pairs:
        pairs = dict(sorted(pairs.items()))
        text += "?" + "&".join(f"{key}={value}" for key, value in pairs.items())
    return Purl(kind, namespace, name, version, pairs, text)


def spelt(text: str) -> str:
    """The purl with its scheme in lower case, as the specification wants it read, and without blanks around it."""
    text = text.strip()
    return _SCHEME_OF + text[len(_SCHEME_OF) :] if text[: len(_SCHEME_OF)].lower() == _SCHEME_OF else text


def _parse_any(text: str) -> Purl:
    from packageurl import PackageURL  # imported late: few purls need it

    found = PackageURL.from_string(spelt(text))
    return Purl(
        found.type,
        found.namespace or "",
        found.name,
        found.version or "",
        dict(found.qualifiers),
        found.to_string(),
    )


def with_version(purl: Purl, version: str) -> Purl:
    """The same package at that version."""
    from urllib.parse import quote

    head, mark, rest = purl.text.partition("?")
    if not mark:
        head, mark, rest = purl.text.partition("#")
    return purl._replace(version=version, text=f"{head}@{quote(version, safe=':')}{mark}{rest}")


def with_epoch(purl: Purl) -> Purl:
    """The version as the distribution writes it: Trivy's deb and every rpm purl hold the epoch in a qualifier."""
    epoch = purl.qualifiers.get("epoch", "")
    if purl.ecosystem not in {"deb", "rpm"} or not purl.version or ":" in purl.version or epoch in {"", "0"}:
        return purl
    return purl._replace(version=f"{epoch}:{purl.version}")


def full_name(ecosystem: str, namespace: str, name: str) -> str:
    """Namespace and name in one, as the ecosystem's own tools and advisories write it."""
    if not namespace or ecosystem in _VENDOR:
        return normal_name(ecosystem, name)
    return normal_name(ecosystem, f"{namespace}{_JOINED.get(ecosystem, '/')}{name}")


@lru_cache(maxsize=1 << 16)
def normal_name(ecosystem: str, name: str) -> str:
    """A name in the form in which two names of that ecosystem are compared."""
    if ecosystem == "pypi":
        return _SEPARATORS.sub("-", name.partition("[")[0]).lower()  # extras are no part of it
    if ecosystem == "cargo":
        return name.lower().replace("_", "-")  # crates.io holds no two names that differ in this
    if ecosystem == "golang":
        name = name.replace("!", "").lower()  # a module proxy writes Azure as !azure
        return STANDARD.get(name, name)
    if ecosystem in _REPOSITORIES:
        name = "/".join(name.split("/")[:2])  # `github/codeql-action/analyze` is an action of github/codeql-action
    if ecosystem == "swift":
        return _SCHEME.sub("", name).removesuffix(".git").lower()
    return name.lower() if ecosystem in _CASELESS else name


@lru_cache(maxsize=1 << 16)
def loose_key(name: str) -> str:
    """What any spelling of a name is looked up by: its last part, lower case, separators as one dash."""
    return _SEPARATORS.sub("-", _LAST.split(name)[-1]).lower()
