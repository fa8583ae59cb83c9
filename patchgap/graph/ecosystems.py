"""OSV's ecosystems: which purl type each one's packages have. Knows nothing of versions, names or releases."""

from __future__ import annotations

from functools import lru_cache

_TYPES = {
    "pypi": "pypi", "npm": "npm", "maven": "maven", "go": "golang", "crates.io": "cargo", "rubygems": "gem",
    "nuget": "nuget", "packagist": "composer", "hex": "hex", "pub": "pub", "bitnami": "bitnami", "cran": "cran",
    "hackage": "hackage", "swifturl": "swift", "github actions": "githubactions", "conancenter": "conan",
    "julia": "julia", "debian": "deb", "ubuntu": "deb", "alpine": "apk", "wolfi": "apk", "chainguard": "apk",
    "minimos": "apk", "alpaquita": "apk", "bellsoft hardened containers": "apk", "red hat": "rpm", "rocky linux": "rpm",
    "almalinux": "rpm", "suse": "rpm", "opensuse": "rpm", "openeuler": "rpm", "mageia": "rpm", "azure linux": "rpm",
}  # fmt: skip
# Types that the purl specification has or reserves, of whose packages OSV has no ecosystem.
_OTHERS = {
    "alpm", "arch", "atom", "bazel", "bitbucket", "brew", "carthage", "chef", "cocoapods", "conda", "cpan", "ctan",
    "docker", "ebuild", "elm", "generic", "github", "gitlab", "helm", "huggingface", "luarocks", "melpa", "mlflow",
    "nix", "oci", "opam", "openwrt", "otp", "pear", "pecl", "platformio", "puppet", "qpkg", "sublime", "swid",
    "terraform", "vim", "vscode-extension", "wordpress", "yocto",
}  # fmt: skip
_TOLD = frozenset({*_OTHERS, *_TYPES.values()})


def base_of(ecosystem: str) -> str:
    """The ecosystem without its suffix, in lower case: `red hat` of `Red Hat:enterprise_linux:9::appstream`."""
    return ecosystem.partition(":")[0].strip().lower()


@lru_cache(maxsize=4096)
def purl_type(ecosystem: str) -> str:
    """The purl type of an OSV ecosystem (its suffix left out); the ecosystem's own name where none is known."""
    name = base_of(ecosystem)
    return _TYPES.get(name, name)


def kinds() -> frozenset[str]:
    """The purl types of OSV's ecosystems."""
    return frozenset(_TYPES.values())


def tells(kind: str) -> bool:
    """Whether that purl type says of which ecosystem a package is; else it may be of any: `pkg:acme/lodash`."""
    return kind in _TOLD


@lru_cache(maxsize=4096)
def is_known(ecosystem: str) -> bool:
    """Whether the OSV ecosystem is one whose packages an SBOM's purls can be told to be."""
    return base_of(ecosystem) in _TYPES
