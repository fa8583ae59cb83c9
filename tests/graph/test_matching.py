"""Matching: which component of an SBOM is what a question or an advisory names. Above all, what must not be missed."""

from __future__ import annotations

import pytest

from patchgap.errors import BadInputError
from patchgap.graph.matching import Row, judge, keys
from patchgap.graph.purl import loose_key
from patchgap.graph.question import Question
from patchgap.graph.sbom.document import Package, Source, package
from patchgap.model.signal import Advisory, AffectedPackage, RangeEvent, VersionRange

Q = "affected"
MAY = "unknown"


def row(found: Package) -> Row:
    return Row(1, *(getattr(found, name) for name in Row._fields[1:]))


def held(purl: str, source: Source | None = None) -> Row:
    return row(package("name", "", purl=purl, source=source or Source()))


def standing(question: Question, one: Row) -> str | None:
    match = judge(question, one)
    return match.standing.value if match else None


ASKED: list[tuple[str, str, str | None]] = [
    # names in any spelling
    ("pytorch-lightning", "pkg:pypi/pytorch-lightning@1.5.2", Q),
    ("Pytorch_Lightning@1.5.2", "pkg:pypi/pytorch-lightning@1.5.2", Q),
    ("pytorch.lightning@1.5.2.0", "pkg:pypi/pytorch-lightning@1.5.2", Q),
    ("pytorch-lightning@1.5.3", "pkg:pypi/pytorch-lightning@1.5.2", None),
    ("uvicorn[standard]@0.1", "pkg:pypi/uvicorn@0.1", Q),
    ("uvicorn", "pkg:pypi/uvicorn%5Bstandard%5D@0.1", Q),
    ("@babel/core@7.0.0", "pkg:npm/%40babel/core@7.0.0", Q),
    ("@babel/core", "pkg:npm/@Babel/Core@7.0.0", Q),
    ("core", "pkg:npm/%40babel/core@7.0.0", None),
    ("pkg:npm/%40babel/core", "pkg:npm/%40babel/core@7.0.0", Q),
    ("pkg:npm/core", "pkg:npm/%40babel/core@7.0.0", None),
    ("log4j-core@2.14.1", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", Q),
    ("Log4j-Core", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", Q),
    ("org.apache.logging.log4j:log4j-core", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", Q),
    ("org.apache.logging.log4j/log4j-core", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", Q),
    ("pkg:maven/log4j-core", "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", None),
    ("pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "pkg:maven/log4j-core/log4j-core@2.14.1", MAY),
    ("org.apache.logging.log4j/log4j-core", "pkg:maven/log4j-core@2.14.1", MAY),
    ("pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "pkg:maven/log4j-core/log4j-core@2.17.1", None),
    ("pkg:maven/org.apache.logging.log4j/log4j-core", "pkg:maven/org.example/log4j-core@2.14.1", None),
    ("serde-json", "pkg:cargo/serde_json@1.0.0", Q),
    ("rmagick", "pkg:gem/RMagick@4.0.0", Q),
    ("github.com/Azure/sdk", "pkg:golang/github.com/azure/sdk@v1.0.0", Q),
    ("pkg:golang/github.com/azure/sdk@1.0.0", "pkg:golang/github.com/Azure/sdk@v1.0.0#sub/path", Q),
    ("PKG:PyPI/Torch@1.13.0", "pkg:pypi/torch@1.13.0", Q),
    # versions as a person knows them
    ("torch@1.13.0", "pkg:pypi/torch@1.13.0%2Bcu117", Q),
    ("torch@1.13.0+cu117", "pkg:pypi/torch@1.13.0%2Bcu117", Q),
    ("torch@1.13.0+cpu", "pkg:pypi/torch@1.13.0%2Bcu117", None),
    ("xz-utils@5.6.0", "pkg:deb/debian/xz-utils@5.6.0-0.2?arch=amd64&distro=debian-13", Q),
    ("xz-utils@5.6.0-0.2", "pkg:deb/debian/xz-utils@5.6.0-0.2?arch=amd64&distro=debian-13", Q),
    ("xz-utils@5.6.0-0.1", "pkg:deb/debian/xz-utils@5.6.0-0.2?arch=amd64&distro=debian-13", None),
    ("openssl@3.0.7", "pkg:rpm/redhat/openssl@3.0.7-6.el9?epoch=1", Q),
    ("musl@1.2.3", "pkg:apk/alpine/musl@1.2.3-r4", Q),
    ("lodash@4.17.20", "pkg:npm/lodash@latest", MAY),
    ("lodash@4.17.20", "pkg:npm/lodash", MAY),
    ("lodash", "pkg:npm/lodash", Q),
    # source packages, vendors, releases, qualifiers
    ("openssl", "pkg:deb/debian/libssl3@3.0.11-1?upstream=openssl", Q),
    ("openssl@3.0.11-1", "pkg:deb/debian/libssl3@3.0.11-1%2Bb1?upstream=openssl%403.0.11-1", Q),
    ("pkg:deb/debian/foo@1.0-1%2Bb2", "pkg:deb/debian/foo@1.0-1%2Bb2?upstream=foo%401.0-1", Q),
    ("pkg:deb/debian/foo@1.0-1", "pkg:deb/debian/foo@1.0-1%2Bb2?upstream=foo%401.0-1", Q),
    ("openssl", "pkg:rpm/redhat/openssl-libs@3.0.7-6.el9?upstream=openssl-3.0.7-6.el9.src.rpm", Q),
    ("pkg:deb/debian/zlib1g", "pkg:deb/zlib1g@1:1.2.11", Q),
    ("pkg:deb/ubuntu/zlib1g", "pkg:deb/debian/zlib1g@1:1.2.11", None),
    ("pkg:deb/debian/zlib1g?distro=debian-12", "pkg:deb/debian/zlib1g@1?distro=debian-12.4", Q),
    ("pkg:deb/debian/zlib1g?distro=bookworm", "pkg:deb/debian/zlib1g@1?distro=debian-11", None),
    ("pkg:deb/debian/zlib1g@1:1.2.11", "pkg:deb/debian/zlib1g@1.2.11?epoch=1", Q),
    ("pkg:deb/debian/zlib1g@1.2.11?epoch=1", "pkg:deb/debian/zlib1g@1:1.2.11?arch=arm64", Q),
    ("pkg:apk/alpine/musl", "pkg:alpine/musl@1.2.3-r4", Q),
    ("pkg:pypi/redis", "pkg:npm/redis@1.0.0", None),
    # types that are a language's, a distribution's or a tool's name, and such as no ecosystem has
    ("pkg:pypi/torch@1.13.0", "pkg:python/Torch@1.13.0", Q),
    ("pkg:python/torch@1.13.0", "pkg:pypi/torch@1.13.0", Q),
    ("pkg:deb/ubuntu/zlib1g", "pkg:ubuntu/zlib1g@1:1.2.11", Q),
    ("pkg:deb/debian/zlib1g", "pkg:ubuntu/zlib1g@1:1.2.11", None),
    ("pkg:debian/zlib1g", "pkg:deb/ubuntu/zlib1g@1:1.2.11", None),
    ("pkg:npm/lodash@4.17.20", "pkg:acme/lodash@4.17.20", MAY),
    ("lodash@4.17.20", "pkg:acme/lodash@4.17.20", Q),
    ("pkg:npm/lodash@4.17.20", "pkg:cocoapods/lodash@4.17.20", None),
]


@pytest.mark.parametrize(("question", "purl", "expected"), ASKED)
def test_a_package_is_found_as_people_and_tools_spell_it(question: str, purl: str, expected: str | None) -> None:
    """No spelling of a name or a version hides a package, and another package is not taken for it."""
    asked, one = Question.parse(question), held(purl)
    assert standing(asked, one) == expected
    if expected:  # the store looks components up by these keys before they are judged
        assert keys(asked) & {loose_key(one.name), loose_key(one.source or one.name)}


def advisory(ecosystem: str, name: str, *events: str, versions: tuple[str, ...] = ()) -> Question:
    spans = (VersionRange("ECOSYSTEM", tuple(RangeEvent(*event.split(" ")) for event in events)),) if events else ()
    affected = AffectedPackage(ecosystem, name, spans, versions)
    return Question.of_advisory(Advisory(id="X-1", digest="", affected=(affected,)))


SSL = ("introduced 0", "fixed 3.0.11-1~deb12u2")
ADVISED: dict[str, tuple[Question, str, str | None]] = {
    "a binary of the source": (advisory("Debian:12", "openssl", *SSL), "pkg:deb/debian/libssl3@3.0.11-1~deb12u1?distro=debian-12&upstream=openssl", Q),
    "a mended binary": (advisory("Debian:12", "openssl", *SSL), "pkg:deb/debian/libssl3@3.0.11-1~deb12u2?distro=debian-12&upstream=openssl", None),
    "another release": (advisory("Debian:12", "openssl", *SSL), "pkg:deb/debian/openssl@1.1.1n-0?distro=debian-11", None),
    "a codename": (advisory("Debian:12", "openssl", *SSL), "pkg:deb/debian/openssl@3.0.1-1?distro=bookworm", Q),
    "no release said": (advisory("Debian:12", "openssl", *SSL), "pkg:deb/debian/openssl@3.0.1-1", Q),
    "no vendor said": (advisory("Debian:12", "openssl", *SSL), "pkg:deb/openssl@3.0.1-1?distro=debian-12", Q),
    "another vendor": (advisory("Debian:12", "openssl", *SSL), "pkg:deb/ubuntu/openssl@3.0.1-1", None),
    "an epoch in a qualifier": (advisory("Debian:12", "bind9", "introduced 1:9.1", "fixed 1:9.18"), "pkg:deb/debian/bind9@9.16?epoch=1", Q),
    "the source's own version": (advisory("Debian", "gcc-defaults", "introduced 0", "fixed 1.200"), "pkg:deb/debian/gcc@4:12.2.0-3?upstream=gcc-defaults%401.199", Q),
    "Ubuntu's long ecosystem": (advisory("Ubuntu:22.04:LTS", "openssl", "introduced 0", "fixed 9"), "pkg:deb/ubuntu/openssl@3.0.2?distro=ubuntu-22.04", Q),
    "a Red Hat stream": (advisory("Red Hat:openshift:4.12::el8", "cri-o", "introduced 0", "fixed 0:9"), "pkg:rpm/redhat/cri-o@1.25?distro=rhel-8.6", Q),
    "conda's build": (advisory("PyPI", "pytorch-lightning", "introduced 0", "fixed 1.6.0"), "pkg:conda/pytorch-lightning@1.5.2?build=py39&channel=main", MAY),
    "conda's mended build": (advisory("PyPI", "pytorch-lightning", "introduced 0", "fixed 1.6.0"), "pkg:conda/pytorch-lightning@1.6.0", None),
    "a generic purl": (advisory("npm", "lodash", "introduced 0", "fixed 4.17.21"), "pkg:generic/lodash@4.17.20", MAY),
    "a generic purl beside a distribution's": (advisory("Debian:12", "openssl", *SSL), "pkg:generic/openssl@3.0.1", None),
    "an ecosystem that is not known": (advisory("Photon OS:5", "openssl", "introduced 0"), "pkg:rpm/photon/openssl@3.0.1", MAY),
    "another name there": (advisory("Photon OS:5", "openssl", "introduced 0"), "pkg:rpm/photon/zlib@3.0.1", None),
    "a malicious package": (advisory("npm", "@evil/left-pad", "introduced 0"), "pkg:npm/%40evil/left-pad", Q),
    "another scope": (advisory("npm", "@evil/left-pad", "introduced 0"), "pkg:npm/left-pad@1.0.0", None),
    "an unreadable version": (advisory("npm", "left-pad", "introduced 0", "fixed 1.0.0"), "pkg:npm/left-pad@latest", MAY),
    "an unreadable version, enumerated": (advisory("PyPI", "a", versions=("1.0",)), "pkg:pypi/a@unknown", MAY),
    "a name in capitals": (advisory("PyPI", "Zope.Interface", versions=("5.4",)), "pkg:pypi/zope_interface@5.4.0", Q),
    "a Go module in capitals": (advisory("Go", "github.com/Azure/sdk", "introduced 0", "fixed 2.0.0"), "pkg:golang/github.com/azure/sdk@v1.9.9%2Bincompatible", Q),
    "a module's major": (advisory("Go", "example.org/m/v2", "introduced 0", "fixed 2.1.0"), "pkg:golang/example.org/m/v2@v2.0.3", Q),
    "a module's major that the purl leaves out": (advisory("Go", "example.org/m/v2", "introduced 0", "fixed 2.1.0"), "pkg:golang/example.org/m@v2.0.3", Q),
    "a module's major that is another": (advisory("Go", "example.org/m/v2", "introduced 0", "fixed 2.1.0"), "pkg:golang/example.org/m@v1.9.0", None),
    "a module before modules": (advisory("Go", "example.org/m/v2", "introduced 0", "fixed 2.1.0"), "pkg:golang/example.org/m@v2.0.3%2Bincompatible", None),
    "a module's major that the advisory leaves out": (advisory("Go", "example.org/m", "introduced 2.0.0", "fixed 2.1.0"), "pkg:golang/example.org/m/v2@v2.0.3", MAY),
    "a module's first major": (advisory("Go", "example.org/m", "introduced 0", "fixed 1.1.0"), "pkg:golang/example.org/m/v2@v2.0.3", None),
    "a module all of which is bad, and its other major": (advisory("Go", "example.org/m", "introduced 0"), "pkg:golang/example.org/m/v3@v3.0.3", None),
    "Go itself": (advisory("Go", "stdlib", "introduced 0", "fixed 1.21.8"), "pkg:golang/stdlib@go1.21.7", Q),
    "a JAR that tells no group, by Syft": (advisory("Maven", "org.example:m", "introduced 0", "fixed 2.1.0"), "pkg:maven/m/m@2.0.3", MAY),
    "a JAR that tells no group": (advisory("Maven", "org.example:m", "introduced 0", "fixed 2.1.0"), "pkg:maven/m@2.0.3", MAY),
    "a JAR that tells no group, mended": (advisory("Maven", "org.example:m", "introduced 0", "fixed 2.1.0"), "pkg:maven/m/m@2.1.0", None),
    "a JAR of another group": (advisory("Maven", "org.example:m", "introduced 0", "fixed 2.1.0"), "pkg:maven/org.other/m@2.0.3", None),
    "Go itself, mended": (advisory("Go", "stdlib", "introduced 0", "fixed 1.21.8"), "pkg:golang/stdlib@1.22", None),
    "Go itself, as its modules name it": (advisory("Go", "stdlib", "introduced 0", "fixed 1.21.8"), "pkg:golang/std@go1.21.7", Q),
    "Go itself, mended, as its modules name it": (advisory("Go", "stdlib", "introduced 0", "fixed 1.21.8"), "pkg:golang/std@1.21.8", None),
    "a module proxy's capitals": (advisory("Go", "github.com/Azure/sdk", "introduced 0", "fixed 2.0.0"), "pkg:golang/github.com/%21azure/sdk@v1.9.0", Q),
    "a module's commit": (advisory("Go", "golang.org/x/crypto", "introduced 0", "fixed 0.0.0-20211202192323-5770296d904e"), "pkg:golang/golang.org/x/crypto@v0.0.0-20210921155107-089bfa567519", Q),
    "a module's commit, mended by a release": (advisory("Go", "golang.org/x/crypto", "introduced 0", "fixed 0.0.0-20211202192323-5770296d904e"), "pkg:golang/golang.org/x/crypto@v0.17.0", None),
    "Rocky's source package": (advisory("Rocky Linux:9", "openssl", "introduced 0", "fixed 1:3.0.7-25.el9_3"), "pkg:rpm/rocky/openssl-libs@3.0.7-24.el9?epoch=1&upstream=openssl-3.0.7-24.el9.src.rpm&distro=rocky-9.3", Q),
    "Alma under its short name": (advisory("AlmaLinux:8", "openssl", "introduced 0", "fixed 1:1.1.1k-7.el8_6"), "pkg:rpm/alma/openssl@1.1.1k-6.el8_5?epoch=1&distro=alma-8.6", Q),
    "Debian as a type": (advisory("Debian:12", "openssl", *SSL), "pkg:debian/libssl3@3.0.11-1~deb12u1?distro=debian-12&upstream=openssl", Q),
    "Debian as a type, mended": (advisory("Debian:12", "openssl", *SSL), "pkg:debian/openssl@3.0.11-1~deb12u2", None),
    "Debian as a type, another release": (advisory("Debian:12", "openssl", *SSL), "pkg:debian/openssl@1.1.1n-0?distro=bullseye", None),
    "dpkg as a type": (advisory("Debian:12", "openssl", *SSL), "pkg:dpkg/openssl@3.0.1-1", Q),
    "dpkg as a type, an epoch": (advisory("Debian:12", "bind9", "introduced 1:9.1", "fixed 1:9.18"), "pkg:dpkg/debian/bind9@9.16?epoch=1", Q),
    "Ubuntu as a type": (advisory("Ubuntu:22.04:LTS", "openssl", "introduced 0", "fixed 9"), "pkg:ubuntu/openssl@3.0.2?distro=jammy", Q),
    "Ubuntu as a type is not Debian": (advisory("Debian:12", "openssl", *SSL), "pkg:ubuntu/openssl@3.0.2", None),
    "Alpine as a type": (advisory("Alpine:v3.18", "musl", "introduced 0", "fixed 1.2.4-r2"), "pkg:alpine/musl@1.2.4-r1?distro=alpine-3.18.4", Q),
    "Alpine as a type is not Wolfi": (advisory("Wolfi", "musl", "introduced 0", "fixed 1.2.4-r2"), "pkg:alpine/musl@1.2.4-r1", None),
    "Red Hat as a type": (advisory("Red Hat:enterprise_linux:9::baseos", "bash", "introduced 0", "fixed 0:5.1.8-9.el9"), "pkg:redhat/bash@5.1.8-6.el9?distro=rhel-9.3", Q),
    "CentOS as a type rebuilds Red Hat": (advisory("Red Hat:enterprise_linux:8::baseos", "bash", "introduced 0", "fixed 0:4.4.20-4.el8"), "pkg:centos/bash@4.4.20-3.el8", MAY),
    "Python as a type": (advisory("PyPI", "Zope.Interface", versions=("5.4",)), "pkg:python/zope_interface@5.4.0", Q),
    "Java as a type": (advisory("Maven", "org.example:m", "introduced 0", "fixed 2.1.0"), "pkg:java/org.example/m@2.0.3", Q),
    "Go as a type": (advisory("Go", "example.org/m/v2", "introduced 0", "fixed 2.1.0"), "pkg:gomod/example.org/m@v2.0.3", Q),
    "Node as a type": (advisory("npm", "@evil/left-pad", "introduced 0"), "pkg:node/%40evil/left-pad@1.0.0", Q),
    "Rust as a type": (advisory("crates.io", "serde-json", "introduced 0.0.0-0", "fixed 1.0.1"), "pkg:rust/serde_json@1.0.0", Q),
    "Ruby as a type, mended": (advisory("RubyGems", "nokogiri", "introduced 0", "fixed 1.15.4"), "pkg:rubygems/nokogiri@1.15.4", None),
    "PHP as a type": (advisory("Packagist", "symfony/http-kernel", "introduced 5.0.0", "fixed 5.4.20"), "pkg:php/symfony/http-kernel@v5.4.19", Q),
    "a type that is nobody's": (advisory("npm", "lodash", "introduced 0", "fixed 4.17.21"), "pkg:acme/lodash@4.17.20", MAY),
    "a type that is nobody's, a distribution": (advisory("Debian:12", "openssl", *SSL), "pkg:acme/openssl@3.0.1", MAY),
    "a type that is nobody's, a group": (advisory("Maven", "org.example:m", "introduced 0", "fixed 2.1.0"), "pkg:acme/org.example/m@2.0.3", MAY),
    "a type that is nobody's, an unreadable version": (advisory("npm", "lodash", "introduced 0", "fixed 4.17.21"), "pkg:acme/lodash@latest", MAY),
    "a type that is nobody's, mended": (advisory("npm", "lodash", "introduced 0", "fixed 4.17.21"), "pkg:acme/lodash@4.17.21", None),
    "a type that is nobody's, another name": (advisory("npm", "lodash", "introduced 0", "fixed 4.17.21"), "pkg:acme/underscore@1.0", None),
    "a type of its own": (advisory("npm", "lodash", "introduced 0", "fixed 4.17.21"), "pkg:luarocks/lodash@4.17.20", None),
    "sudo on Alpine, before Baron Samedit was mended": (advisory("Alpine:v3.13", "sudo", "introduced 0", "fixed 1.9.5p2-r0"), "pkg:apk/alpine/sudo@1.9.5p1-r0?distro=alpine-3.13.5", Q),
    "sudo on Alpine, mended": (advisory("Alpine:v3.13", "sudo", "introduced 0", "fixed 1.9.5p2-r0"), "pkg:apk/alpine/sudo@1.9.5p2-r1?distro=alpine-3.13.5", None),
    "a module stream": (advisory("Red Hat:enterprise_linux:8::appstream", "nodejs", "introduced 0", "fixed 1:14.21.1-2.module+el8.7.0+17528+a329cd47"), "pkg:rpm/redhat/nodejs@14.20.1-2.module%2Bel8.7.0%2B16991%2Bb0a68a3e?distro=redhat-8.7&epoch=1", Q),
    "Ubuntu Pro": (advisory("Ubuntu:Pro:18.04:LTS", "openssl", "introduced 0", "fixed 1.1.1-1ubuntu2.1~18.04.23+esm3"), "pkg:deb/ubuntu/libssl1.1@1.1.1-1ubuntu2.1~18.04.23?distro=ubuntu-18.04&upstream=openssl", Q),
    "a registry beside the ecosystem": (advisory("Packagist:https://packages.example.org/8", "drupal/core", "introduced 0", "fixed 9.0.0"), "pkg:composer/drupal/core@8.9.1", Q),
    "a distribution's placeholder": (advisory("Debian:11", "a", "introduced 1", "fixed 2"), "pkg:deb/debian/a@unknown?distro=debian-11", MAY),
    "a crate's underscore": (advisory("crates.io", "serde-json", "introduced 0.0.0-0", "fixed 1.0.1"), "pkg:cargo/serde_json@1.0.0", Q),
    "NuGet's case": (advisory("NuGet", "Newtonsoft.Json", "introduced 0", "fixed 13.0.1"), "pkg:nuget/newtonsoft.json@12.0.3", Q),
    "Packagist's case": (advisory("Packagist", "Symfony/HTTP-Kernel", "introduced 5.0.0", "fixed 5.4.20"), "pkg:composer/symfony/http-kernel@v5.4.19", Q),
    "Maven's group": (advisory("Maven", "org.apache.logging.log4j:log4j-core", "introduced 2.13.0", "fixed 2.15.0"), "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", Q),
    "another group": (advisory("Maven", "org.apache.logging.log4j:log4j-core", "introduced 2.13.0", "fixed 2.15.0"), "pkg:maven/com.example/log4j-core@2.14.1", None),
    "Maven's alias": (advisory("Maven", "org.springframework:spring-core", "introduced 5.3.0", "fixed 5.3.18"), "pkg:maven/org.springframework/spring-core@5.3.18.RELEASE", None),
    "a gem's platform": (advisory("RubyGems", "nokogiri", "introduced 0", "fixed 1.15.4"), "pkg:gem/nokogiri@1.15.4-x86_64-linux", None),
    "a gem": (advisory("RubyGems", "nokogiri", "introduced 0", "fixed 1.15.4"), "pkg:gem/nokogiri@1.15.3?platform=java", Q),
    "Bitnami's revision": (advisory("Bitnami", "wordpress", "introduced 6.2.0", "fixed 6.2.1"), "pkg:bitnami/wordpress@6.2.0-3?arch=arm64&distro=debian-12", Q),
    "Bitnami's mended revision": (advisory("Bitnami", "wordpress", "introduced 0", "fixed 6.2.1"), "pkg:bitnami/wordpress@6.2.1-0?arch=arm64", None),
    "Hex": (advisory("Hex", "plug", "introduced 1.3.0", "fixed 1.3.2"), "pkg:hex/plug@1.3.1", Q),
    "Pub": (advisory("Pub", "http", "introduced 0", "fixed 0.13.3"), "pkg:pub/http@0.13.2", Q),
    "Swift": (advisory("SwiftURL", "https://github.com/apple/swift-nio.git", "introduced 0", "fixed 2.39.1"), "pkg:swift/github.com/apple/swift-nio@2.39.0", Q),
    "an action": (advisory("GitHub Actions", "tj-actions/changed-files", "introduced 0", "fixed 46.0.1"), "pkg:githubactions/tj-actions/changed-files@45.0.7", Q),
    "an action's moving tag": (advisory("GitHub Actions", "tj-actions/changed-files", "introduced 0", "fixed 46.0.1"), "pkg:github/tj-actions/changed-files@v45", MAY),
    "an action in a folder": (advisory("GitHub Actions", "github/codeql-action", "introduced 0", "fixed 3.28.3"), "pkg:githubactions/github/codeql-action/analyze@3.28.2", Q),
    "an action in a folder, as a subpath": (advisory("GitHub Actions", "github/codeql-action", "introduced 0", "fixed 3.28.3"), "pkg:github/github/codeql-action@3.28.2#analyze", Q),
    "an action in a folder of another": (advisory("GitHub Actions", "github/codeql-action", "introduced 0", "fixed 3.28.3"), "pkg:githubactions/github/other/codeql-action@3.28.2", None),
    "CRAN": (advisory("CRAN", "commonmark", "introduced 0.2", "fixed 1.8"), "pkg:cran/commonmark@1.7-2", Q),
    "Hackage": (advisory("Hackage", "aeson", "introduced 0.4.0.0", "fixed 2.0.1.0"), "pkg:hackage/aeson@2.0.0.1", Q),
    "Conan": (advisory("ConanCenter", "openssl", "introduced 0", "fixed 1.1.1l"), "pkg:conan/openssl@1.1.1k", Q),
    "Alpine's release": (advisory("Alpine:v3.18", "openssl", "introduced 0", "fixed 3.1.4-r1"), "pkg:apk/alpine/libcrypto3@3.1.4-r0?distro=alpine-3.18.4&upstream=openssl", Q),
    "Alpine's git version": (advisory("Alpine:v3.19", "musl", "introduced 0", "fixed 1.2.4_git20230717-r5"), "pkg:apk/alpine/musl@1.2.4_git20230717-r4?distro=alpine-3.19.1", Q),
    "a Red Hat release": (advisory("Red Hat:enterprise_linux:9::baseos", "openssl-libs", "introduced 0", "fixed 1:3.0.7-25.el9_3"), "pkg:rpm/redhat/openssl-libs@3.0.7-24.el9?epoch=1&distro=rhel-9.3", Q),
    "a codename as a namespace": (advisory("Debian:12", "openssl", *SSL), "pkg:deb/bookworm/openssl@3.0.1-1", MAY),
    "Fedora is not Red Hat": (advisory("Red Hat:enterprise_linux:9::baseos", "openssl-libs", "introduced 0", "fixed 1:3.0.7-25.el9_3"), "pkg:rpm/fedora/openssl-libs@3.0.7-1.fc37?epoch=1&distro=fedora-37", None),
    "Rocky is not Red Hat": (advisory("Red Hat:enterprise_linux:9::baseos", "openssl-libs", "introduced 0", "fixed 1:3.0.7-25.el9_3"), "pkg:rpm/rocky/openssl-libs@3.0.7-24.el9?epoch=1&distro=rocky-9.3", None),
    "CentOS rebuilds Red Hat": (advisory("Red Hat:enterprise_linux:8::baseos", "bash", "introduced 0", "fixed 0:4.4.20-4.el8"), "pkg:rpm/centos/bash@4.4.20-3.el8?distro=centos-8", MAY),
    "Ubuntu's FIPS stream": (advisory("Ubuntu:Pro:FIPS:20.04:LTS", "openssl", "introduced 0", "fixed 1.1.1f-1ubuntu2.fips.22"), "pkg:deb/ubuntu/openssl@1.1.1f-1ubuntu2.19?distro=ubuntu-20.04", None),
    "a package of Ubuntu's FIPS stream": (advisory("Ubuntu:Pro:FIPS:20.04:LTS", "openssl", "introduced 0", "fixed 1.1.1f-1ubuntu2.fips.22"), "pkg:deb/ubuntu/openssl@1.1.1f-1ubuntu2.fips.7?distro=ubuntu-20.04", Q),
}  # fmt: skip


@pytest.mark.parametrize("case", ADVISED)
def test_an_advisory_touches_what_it_affects(case: str) -> None:
    """Source packages, releases, epochs, repackaged software and unknown ecosystems: affected, not, or unknown."""
    question, purl, expected = ADVISED[case]
    one = held(purl)
    assert standing(question, one) == expected
    if expected:  # the store looks components up by these keys before they are judged
        assert keys(question) & {loose_key(one.name), loose_key(one.source or one.name)}


def test_the_source_package_may_stand_beside_the_purl() -> None:
    """A tool that names the source in a property is read as one that names it in the purl."""
    libssl = held("pkg:deb/debian/libssl3@3.0.11-1~deb12u1?distro=debian-12", Source("openssl", "3.0.11-1~deb12u1"))
    assert standing(advisory("Debian:12", "openssl", *SSL), libssl) == Q


@pytest.mark.parametrize(
    "question", [Question.parse("pkg:npm/%40scope/lodash@4.17.20"), advisory("npm", "lodash", "introduced 9.0.0")]
)
def test_a_component_without_a_purl_may_be_what_is_asked_for(question: Question) -> None:
    """A bare name is unknown: never clean, and never called affected."""
    assert standing(question, row(package("Lodash", "4.17.20"))) == MAY
    assert standing(question, row(package("underscore", "1.0"))) is None


def test_of_several_blocks_the_surest_counts() -> None:
    """A block that cannot be told does not hide one that affects."""
    blocks = (
        AffectedPackage("PyPI", "a", (VersionRange("GIT", (RangeEvent("introduced", "0"),)),)),
        AffectedPackage("PyPI", "a", versions=("1.0",)),
    )
    question = Question.of_advisory(Advisory(id="X-1", digest="", affected=blocks))
    assert standing(question, held("pkg:pypi/a@1.0")) == Q
    assert standing(question, held("pkg:pypi/a@2.0")) == MAY


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no package"),
        ("@", "names no package"),
        ("a@", "names no package"),
        ("a\nb", "names no package"),
        ("a" * 2000, "names no package"),
        ("pytorch-lightning==1.5.2", "names no one version"),
        ("lodash@^4.17.0", "names no one version"),
        ("lodash@>=4,<5", "names no one version"),
        ("pytorch-lightning 1.5.2", "names no one version"),
        ("CVE-2021-44228", "is an advisory"),
        ("ghsa-2vj5-px25-gjrp", "is an advisory"),
        ("PYSEC-2021-874", "is an advisory"),
        ("DSA-5532-1", "is an advisory"),
        ("pkg:pypi", "is no purl"),
        ("pkg:oci/app@sha256:12", "names an image"),
    ],
)
def test_a_question_that_names_no_package_is_refused(text: str, problem: str) -> None:
    """What would otherwise be answered with a calm "no workload includes it" is refused, with the way to ask."""
    with pytest.raises(BadInputError, match=problem) as caught:
        Question.parse(text)
    assert caught.value.fix
