"""Distributions: an advisory for one of them, at one release, speaks of that one's packages alone."""

from __future__ import annotations

import pytest

from patchgap.graph.distribution import speaks_of

ABOUT: list[tuple[str, str, str, bool | None]] = [
    ("Debian:12", "debian", "debian-12.4", True),
    ("Debian:12", "debian", "bookworm", True),
    ("Debian:12", "debian", "debian-11", False),
    ("Debian:12", "debian", "", True),
    ("Debian:12", "", "debian-12", True),
    ("Debian:12", "", "ubuntu-22.04", False),
    ("Debian", "debian", "debian-11", True),
    ("Debian:12", "ubuntu", "ubuntu-22.04", False),
    ("Debian:12", "raspbian", "raspbian-12", None),
    ("Debian:12", "raspbian", "raspbian-11", False),
    ("Ubuntu:22.04:LTS", "ubuntu", "ubuntu-22.04", True),
    ("Ubuntu:22.04:LTS", "ubuntu", "jammy", True),
    ("Ubuntu:22.04:LTS", "ubuntu", "ubuntu-20.04", False),
    ("Ubuntu:22.04:LTS", "debian", "debian-12", False),
    ("Ubuntu:Pro:18.04:LTS", "ubuntu", "ubuntu-18.04", True),
    ("Ubuntu:Pro:18.04:LTS", "ubuntu", "ubuntu-20.04", False),
    ("Ubuntu:24.10", "ubuntu", "ubuntu-24.04", False),
    ("Ubuntu:22.04:LTS", "linuxmint", "linuxmint-21", None),
    ("Alpine:v3.18", "alpine", "alpine-3.18.4", True),
    ("Alpine:v3.18", "alpine", "alpine-3.1", False),
    ("Alpine:v3.18", "alpine", "3.18.2", True),
    ("Alpine:v3.18", "wolfi", "wolfi-20230201", False),
    ("Wolfi", "wolfi", "wolfi-20230201", True),
    ("Wolfi", "chainguard", "", False),
    ("Chainguard", "chainguard", "chainguard-20230214", True),
    ("Chainguard", "alpine", "alpine-3.18", False),
    ("Red Hat:enterprise_linux:9::appstream", "redhat", "rhel-9.2", True),
    ("Red Hat:enterprise_linux:9::appstream", "redhat", "rhel-8.6", False),
    ("Red Hat:enterprise_linux:9::appstream", "", "rhel-9", True),
    ("Red Hat:rhel_eus:8.6::baseos", "redhat", "rhel-8.6", True),
    ("Red Hat:rhel_eus:8.6::baseos", "redhat", "rhel-8.8", False),
    ("Red Hat:openshift:4.12::el8", "redhat", "rhel-8.6", True),
    ("Red Hat:openshift:4.12::el8", "redhat", "rhel-9.1", False),
    ("Red Hat:rhel_software_collections:3::el7", "redhat", "rhel-7.9", True),
    ("Red Hat:satellite:6.11", "redhat", "rhel-8.6", True),
    ("Red Hat:enterprise_linux:9::appstream", "rocky", "rocky-9.1", False),
    ("Red Hat:enterprise_linux:8::baseos", "centos", "centos-8", None),
    ("Red Hat:enterprise_linux:8::baseos", "centos", "centos-7", False),
    ("Rocky Linux:9", "rocky", "rocky-9.1", True),
    ("Rocky Linux:9", "rocky", "rocky-8.7", False),
    ("Rocky Linux:9", "redhat", "rhel-9.1", False),
    ("AlmaLinux:8", "almalinux", "almalinux-8.6", True),
    ("AlmaLinux:8", "alma", "alma-8.6", True),
    ("AlmaLinux:8", "rocky", "rocky-8.6", False),
    ("AlmaLinux:8", "almalinux", "almalinux-9.1", False),
    ("SUSE:Linux Enterprise Server 15 SP4", "suse", "sles-15.4", True),
    ("SUSE:Linux Enterprise Module for Basesystem 15 SP4", "suse", "sles-15-SP4", True),
    ("SUSE:Linux Enterprise Server 15 SP4", "suse", "sles-15.5", False),
    ("SUSE:Linux Enterprise Server 12 SP5", "sles", "sles-15.5", False),
    ("SUSE:Manager Server 4.3", "suse", "sles-15.4", True),
    ("SUSE:Linux Enterprise Server 15 SP4", "opensuse", "opensuse-leap-15.4", False),
    ("openSUSE:Leap 15.4", "opensuse", "opensuse-leap-15.4", True),
    ("openSUSE:Leap 15.4", "opensuse-leap", "opensuse-leap-15.5", False),
    ("openSUSE:Tumbleweed", "opensuse", "opensuse-tumbleweed-20240101", True),
    ("openSUSE:Tumbleweed", "opensuse", "opensuse-leap-15.5", False),
    ("openSUSE:Leap 15.5", "opensuse", "opensuse-tumbleweed", False),
    ("Red Hat:enterprise_linux:9::appstream", "fedora", "fedora-39", False),
    ("Red Hat:enterprise_linux:8::baseos", "amzn", "amzn-2023", False),
    ("Debian:sid", "debian", "debian-12", False),
    ("Debian:sid", "debian", "sid", True),
    ("Debian:12", "debian", "debian-unstable", False),
    ("Alpaquita:23", "alpaquita", "alpaquita-23", True),
    ("Alpaquita:23", "alpine", "alpine-3.18", False),
    # a namespace that is no distribution's: a codename, a firm's own mirror
    ("Debian:12", "bookworm", "", None),
    ("Debian:12", "acme", "debian-12", None),
    ("Debian:12", "acme", "debian-11", False),
    ("Wolfi", "acme", "", None),
    ("PyPI", "", "", True),
    ("Maven", "org.apache", "", True),
]


@pytest.mark.parametrize(("ecosystem", "vendor", "distro", "expected"), ABOUT)
def test_an_advisory_speaks_of_its_distribution_at_its_release(
    ecosystem: str, vendor: str, distro: str, expected: bool | None
) -> None:
    """Its own packages, at its own release; what a distribution rebuilds of another's cannot be told; what names no
    distribution and no release may be either."""
    assert speaks_of(ecosystem, vendor, distro) is expected
