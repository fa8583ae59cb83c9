"""Distributions: whether an advisory for one of them, at one release, speaks of a package of another or of the same.

An ecosystem's suffix and a purl's namespace and `distro` are put in the same words. Knows nothing of names and versions.
"""

from __future__ import annotations

import re
from functools import lru_cache

_VENDORS = {
    "debian": {"debian"},
    "ubuntu": {"ubuntu"},
    "alpine": {"alpine"},
    "wolfi": {"wolfi"},
    "chainguard": {"chainguard"},
    "minimos": {"minimos"},
    "alpaquita": {"alpaquita"},
    "bellsoft hardened containers": {"bellsoft"},
    "red hat": {"redhat", "rhel", "red hat"},
    "rocky linux": {"rocky", "rockylinux", "rocky-linux"},
    "almalinux": {"almalinux", "alma"},
    "suse": {"suse", "sles", "sled", "sle-micro", "sl-micro", "suse-microos", "sle_hpc"},
    "opensuse": {"opensuse", "opensuse-leap", "opensuse-tumbleweed", "opensuse.leap", "opensuse.tumbleweed"},
    "openeuler": {"openeuler"},
    "mageia": {"mageia"},
    "azure linux": {"azurelinux", "azure-linux", "mariner", "cbl-mariner"},
}  # fmt: skip
_OF_VENDOR = {vendor: name for name, vendors in _VENDORS.items() for vendor in vendors}
_REBUILT = {  # ships another's packages under its own name: what hits the one may hit the other
    "centos": "red hat", "ol": "red hat", "oracle": "red hat", "oraclelinux": "red hat", "scientific": "red hat",
    "raspbian": "debian", "devuan": "debian", "kali": "debian",
    "linuxmint": "ubuntu", "pop": "ubuntu", "elementary": "ubuntu",
    "postmarketos": "alpine",
}  # fmt: skip
_OTHERS = frozenset(
    {
        "fedora",
        "amzn",
        "amazon",
        "amazonlinux",
        "photon",
        "arch",
        "archlinux",
        "alt",
        "altlinux",
        "openmandriva",
        "gentoo",
        "anolis",
        "opencloudos",
        "openwrt",
        "clear-linux-os",
        "nixos",
        "slackware",
        "void",
    }
)  # fmt: skip  (no rebuild of any of the above, and without advisories of OSV)
_CODENAMES = {
    "jessie": "8", "stretch": "9", "buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14",
    "trusty": "14.04", "xenial": "16.04", "bionic": "18.04", "focal": "20.04", "jammy": "22.04", "lunar": "23.04",
    "mantic": "23.10", "noble": "24.04", "oracular": "24.10", "plucky": "25.04", "questing": "25.10",
    "tumbleweed": "tumbleweed",
}  # fmt: skip
_UNSTABLE = re.compile(r"(?:^|[^a-z])(?:sid|unstable)$")
_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_EL = re.compile(r"::el(\d+)")
_RHEL = re.compile(r"(?:enterprise_linux|rhel_\w+|linux)[^:]*:(\d+(?:\.\d+)*)")
_SUSE = re.compile(r"(\d+(?:\.\d+)?)(?:[- ]sp(\d+))?", re.IGNORECASE)
_UNRELEASED = frozenset({"wolfi", "chainguard"})  # they roll


def vendor_of(vendor: str, distro: str) -> str:
    """Which distribution a package is of, in OSV's word where it has one: by its purl's namespace, else by `distro`."""
    word = vendor.lower() or distro_id(distro)
    return _OF_VENDOR.get(word, word)


@lru_cache(maxsize=4096)
def distro_id(distro: str) -> str:
    """`debian` of `debian-12.4`, `opensuse-leap` of `opensuse-leap-15.4`; "" where it is a release or codename alone."""
    word = _NUMBERS.split(distro.lower(), maxsplit=1)[0].rstrip("-:_ ")
    return word if word in _OF_VENDOR or word in _REBUILT else ""


@lru_cache(maxsize=1 << 16)
def speaks_of(ecosystem: str, vendor: str, distro: str) -> bool | None:
    """Whether an advisory for `ecosystem` (`Debian:12`) is about packages with that namespace and `distro`. None where
    they are of a distribution that rebuilds those packages, or whose namespace is no distribution's: a codename, a firm's
    own mirror. Where either says nothing, it is."""
    base, _, suffix = ecosystem.lower().partition(":")
    base = base.strip()
    if base not in _VENDORS:
        return True
    held = vendor_of(vendor, distro)
    at_release = base in _UNRELEASED or _agree(_advised(base, suffix), release(distro))
    if held in _REBUILT:
        if _REBUILT[held] != base:
            return False
        return None if base == "ubuntu" or at_release else False
    if held and held != base:
        return None if at_release and held not in _VENDORS and held not in _OTHERS else False
    return at_release


def _advised(base: str, suffix: str) -> str:
    """The release of the operating system that an ecosystem's suffix names; "" where it names that of a product."""
    if base == "red hat":
        found = _EL.search(suffix) or _RHEL.search(suffix)
        return found.group(1) if found else ""
    if base in {"suse", "opensuse"}:
        return _suse(suffix)
    return release(suffix)


def _suse(suffix: str) -> str:
    if "tumbleweed" in suffix:
        return "tumbleweed"
    if not any(word in suffix for word in ("linux", "leap", "micro")):
        return ""  # SUSE Manager, Enterprise Storage: products on top of a release
    found = _SUSE.search(suffix)
    return ".".join(part for part in found.groups() if part) if found else ""


@lru_cache(maxsize=4096)
def release(text: str) -> str:
    """`12.4` of `debian-12.4`, `12` of `bookworm`, `15.4` of `sles-15-SP4`; "" where it names none."""
    lowered = text.lower()
    if "tumbleweed" in lowered:
        return "tumbleweed"
    if _UNSTABLE.search(lowered):
        return "sid"
    if lowered.startswith(("sle", "suse")) and (found := _SUSE.search(lowered)):
        return ".".join(part for part in found.groups() if part)
    if match := _NUMBERS.search(lowered):
        return match.group()
    return next((number for name, number in _CODENAMES.items() if name in lowered), "")


def releases_agree(one: str, other: str) -> bool:
    """Whether `12` or `v3.16` can be `debian-12.4` or `alpine-3.16.2`. Where either says nothing, they can."""
    return _agree(release(one), release(other))


def _agree(one: str, other: str) -> bool:
    if not one or not other:
        return True
    parts, others = one.split("."), other.split(".")
    least = min(len(parts), len(others))
    return parts[:least] == others[:least]
