"""What a registry holds of an image goes into the graph: its platforms, its SBOMs, its provenance; and nothing unproved."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from patchgap.cli import main
from patchgap.graph.question import Question
from patchgap.graph.store import Graph
from patchgap.storage import connect
from tests.integrations.registry_oci.documents import BUILDER, COMMIT, bundle, cyclonedx, dsse, slsa, spdx, statement
from tests.integrations.registry_oci.stub import PASSWORD, TOKEN, USER, Registry, serving, sha

BAD, GOOD = "pkg:npm/left-pad@1.0.0", "pkg:npm/right-pad@1.0.0"
LEFT = Question.parse(BAD)
CDX, IN_TOTO, DSSE = (
    "application/vnd.cyclonedx+json",
    "application/vnd.in-toto+json",
    "application/vnd.dsse.envelope.v1+json",
)
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SPDX_TYPE = "https://spdx.dev/Document"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving(Registry()) as running:
        yield running


@dataclass
class Added:
    """What `graph add` answered, and the graph after it."""

    exit_code: int
    told: dict[str, Any]
    text: str
    graph: Graph

    def verdicts(self, *digests: str) -> list[str]:
        standing = self.graph.standing(LEFT, digests)
        return [standing[digest].verdict for digest in digests]


@pytest.fixture
def add(tmp_path: Path, registry: Registry) -> Any:
    def run(digest: str, settings: str = "") -> Added:
        (tmp_path / "patchgap.toml").write_text(settings)
        words = ["--home", str(tmp_path), "--config", str(tmp_path / "patchgap.toml"), "graph", "add", "--json"]
        result = CliRunner().invoke(main, [*words, registry.address(digest) if digest.startswith("sha") else digest])
        graph = Graph(connect(f"sqlite:///{tmp_path / 'patchgap.db'}"))
        told = json.loads(result.stdout) if result.stdout.startswith("{") else {}
        return Added(result.exit_code, told, result.output, graph)

    return run


def test_a_referrers_sbom_is_the_images_under_each_of_its_digests(registry: Registry, add: Any) -> None:
    """An index of one platform, its manifest and its config are one image."""
    image, config = registry.image("amd64")
    index = registry.index(image)
    registry.attach(image["digest"], cyclonedx(BAD), CDX)
    added = add(index)
    assert (added.exit_code, added.told["new"], added.told["failed"]) == (0, 1, [])
    assert added.graph.affected_digests(LEFT) == {index, image["digest"], config}
    assert added.graph.artifact(config).repository == f"{registry.host}/team/app"
    assert add(index).told["new"] == 0


def test_each_platform_has_its_own_sbom(registry: Registry, add: Any) -> None:
    """BuildKit's attestations, one a platform: what is in amd64 alone is exposed by the index, and not in arm64."""
    (amd, amd_config), (arm, arm_config) = registry.image("amd64"), registry.image("arm64")
    attested = []
    for image, purl in ((amd, BAD), (arm, GOOD)):
        sbom = statement(SPDX_TYPE, spdx(purl), image["digest"], name="pkg:docker/team/app@1?platform=linux%2Famd64")
        layers = [registry.layer(one, IN_TOTO) for one in (sbom, slsa(image["digest"]))]
        config = registry.layer(b'{"os": "unknown"}', "application/vnd.oci.image.config.v1+json")
        pushed = registry.push(
            {"schemaVersion": 2, "mediaType": image["mediaType"], "config": config, "layers": layers}
        )
        annotations = {
            "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"],
        }  # fmt: skip
        unknown = {"os": "unknown", "architecture": "unknown"}
        attested.append({**pushed, "annotations": annotations, "platform": unknown})
    index = registry.index(amd, arm, *attested)
    added = add(index)
    assert added.exit_code == 0, added.text
    every = (index, amd["digest"], amd_config, arm["digest"], arm_config)
    assert added.verdicts(*every) == ["affected", "affected", "affected", "clean", "clean"]
    known = added.graph.artifact(arm_config)
    assert (known.commit, known.provenance, known.repository) == (COMMIT, BUILDER, f"{registry.host}/team/app")
    assert list(added.told["images"][0]["platforms"].values()) == ["linux/amd64", "linux/arm64"]


def test_an_sbom_of_the_index_clears_no_platform_that_it_does_not_name(registry: Registry, add: Any) -> None:
    """Cosign puts it on the index; it was made of amd64, and says so by that platform's digest."""
    (amd, _), (arm, _) = registry.image("amd64"), registry.image("arm64")
    index = registry.index(amd, arm)
    registry.cosign(index, "sbom", registry.layer(cyclonedx(GOOD, index, amd["digest"]), CDX))
    added = add(index)
    assert added.exit_code == 0, added.text
    assert added.verdicts(index, amd["digest"], arm["digest"]) == ["unknown", "clean", "unknown"]


def test_cosigns_attestations_and_bundles_are_opened(registry: Registry, add: Any) -> None:
    """DSSE under the .att tag, a Sigstore bundle as a referrer: SBOM and provenance; an index's commit is its platforms'."""
    (amd, _), (arm, arm_config) = registry.image("amd64"), registry.image("arm64")
    index = registry.index(amd, arm)
    registry.cosign(
        amd["digest"], "att",
        registry.layer(dsse(statement("https://cyclonedx.org/bom", json.loads(cyclonedx(BAD)), amd["digest"])), DSSE),
        registry.layer(dsse(statement("https://cosign.sigstore.dev/attestation/vuln/v1", {}, amd["digest"])), DSSE),
    )  # fmt: skip
    wrapped = {"Data": json.dumps(spdx(GOOD)), "Timestamp": ""}
    registry.attach(arm["digest"], bundle(statement(SPDX_TYPE, wrapped, arm["digest"])), BUNDLE)
    registry.attach(index, bundle(slsa(index)), BUNDLE)
    added = add(index)
    assert added.exit_code == 0, added.text
    assert added.verdicts(index, amd["digest"], arm["digest"]) == ["affected", "affected", "clean"]
    assert added.graph.artifact(arm_config).commit == COMMIT
    assert ["attestation" in one["reason"] for one in added.told["skipped"]] == [True]


def test_without_the_referrers_api_the_tag_tells(registry: Registry, add: Any) -> None:
    """`sha256-<hex>` holds the list where the registry does not."""
    registry.serves_referrers = False
    image, _ = registry.image("amd64")
    registry.attach(image["digest"], cyclonedx(BAD), CDX)
    added = add(image["digest"])
    assert (added.exit_code, added.verdicts(image["digest"])) == (0, ["affected"])


def test_every_page_of_referrers_is_read(registry: Registry, add: Any) -> None:
    """The last one of seven, two a page; signatures are passed over unread."""
    registry.page = 2
    image, _ = registry.image("amd64")
    for n in range(6):
        registry.attach(image["digest"], b"%d" % n, "application/x-signature", "application/vnd.cncf.notary.signature")
    registry.attach(image["digest"], cyclonedx(BAD), CDX)
    added = add(image["digest"])
    assert (added.exit_code, added.verdicts(image["digest"])) == (0, ["affected"])
    assert sum("/blobs/" in path for path, _ in registry.asked) == 1


@pytest.mark.parametrize("what", ["manifest", "blob", "size", "media type", "subject", "statement"])
def test_what_is_not_what_it_is_said_to_be_is_refused_by_name(registry: Registry, add: Any, what: str) -> None:
    """Other content, another size or media type, an attachment of another image: exit 2, and nothing of it goes in."""
    image, _ = registry.image("amd64")
    other, _ = registry.image("arm64")
    attached = registry.attach(image["digest"], cyclonedx(GOOD), CDX)
    sbom = sha(cyclonedx(GOOD))
    if what == "manifest":
        registry.lies[attached["digest"]] = registry.manifests[other["digest"]][1]
    elif what == "blob":
        registry.lies[sbom] = cyclonedx(BAD)[: len(cyclonedx(GOOD))]
    elif what == "size":
        content = registry.manifests[attached["digest"]][1]
        registry.referrers[image["digest"]][0]["size"] = len(content) + 1
    elif what == "media type":
        registry.served_as[attached["digest"]] = "application/vnd.oci.image.index.v1+json"
    elif what == "subject":
        registry.referrers[other["digest"]] = registry.referrers[image["digest"]]
        image = other
    else:
        registry.referrers.clear()
        registry.attach(image["digest"], dsse(statement("https://cyclonedx.org/bom", {}, other["digest"])), DSSE)
    added = add(image["digest"])
    told = {
        "manifest": "answered other content", "blob": "answered other content", "size": "its descriptor says",
        "media type": "its media type is", "subject": "it refers to", "statement": "about another image",
    }  # fmt: skip
    assert added.exit_code == 2
    assert len(added.told["failed"]) == 1
    assert told[what] in added.told["failed"][0]["problem"]
    assert added.verdicts(image["digest"]) == ["unknown"]


def test_an_sbom_that_names_other_images_joins_none_of_them(registry: Registry, add: Any) -> None:
    """What is attached to an image is that image's; the digest of a foreign one in it is told and not believed."""
    image, _ = registry.image("amd64")
    foreign = "sha256:" + "f" * 64
    registry.attach(image["digest"], cyclonedx(BAD, foreign), CDX)
    added = add(image["digest"])
    assert added.graph.affected_digests(LEFT) >= {image["digest"]}
    assert foreign not in added.graph.affected_digests(LEFT)
    assert any(foreign in one for one in added.told["sboms"][0]["open"])


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_credentials_come_from_the_docker_config_and_are_told_to_nobody(
    registry: Registry, add: Any, tmp_path: Path, auth: str
) -> None:
    """Neither output nor an address elsewhere ever sees them."""
    registry.auth = auth
    image, _ = registry.image("amd64")
    registry.attach(image["digest"], cyclonedx(BAD), CDX)
    refused = add(image["digest"], f'[registries]\ndocker_config = "{_config(tmp_path, "localhost:1")}"\n')
    assert refused.exit_code == 2
    with serving(Registry()) as storage:
        storage.blobs = registry.blobs
        registry.redirect = f"http://{storage.host}"
        added = add(image["digest"], f'[registries]\ndocker_config = "{_config(tmp_path, registry.host)}"\n')
        assert (added.exit_code, added.verdicts(image["digest"])) == (0, ["affected"]), added.text
        assert [given for _, given in storage.asked] == [""]
    for secret in (PASSWORD, TOKEN, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in refused.text + added.text + repr(added.told)


def _config(folder: Path, host: str) -> Path:
    path = folder / "config.json"
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}, "credsStore": "desktop"}))
    return path


@pytest.mark.parametrize(
    "elsewhere", ["http://169.254.169.254", "http://[::1]:1", "ftp://x", "http://localhost:1", "http://0.0.0.0:1"]
)
@pytest.mark.parametrize("how", ["redirect", "realm"])
def test_a_registry_cannot_send_us_to_this_machine_or_its_link(
    registry: Registry, add: Any, tmp_path: Path, elsewhere: str, how: str
) -> None:
    """Neither by a redirect nor as its token server, which would be handed the password."""
    image, _ = registry.image("amd64")
    registry.attach(image["digest"], cyclonedx(BAD), CDX)
    setattr(registry, how, elsewhere if how == "redirect" else f"{elsewhere}/token")
    registry.auth = "bearer" if how == "realm" else ""
    added = add(image["digest"], f'[registries]\ndocker_config = "{_config(tmp_path, registry.host)}"\n')
    assert added.exit_code == 2
    assert "an address of this machine or its link" in added.text or "an address without TLS" in added.text


@pytest.mark.parametrize(
    "address",
    ["oci://h/team/app:1.0", "oci://h/Team/app@sha256:" + "a" * 64, "oci://team", "oci://h/../x@sha256:" + "a" * 64,
     "oci://u:p@h/team/app@sha256:" + "a" * 64, "nowhere://x"],
)  # fmt: skip
def test_an_address_that_names_no_image_by_digest_is_refused(add: Any, address: str) -> None:
    """One sentence and its fix, exit 2; nothing is asked."""
    added = add(address)
    assert added.exit_code == 2
    assert added.told["failed"][0]["fix"]


def test_an_image_that_is_not_there_and_a_registry_that_is_down_are_named(registry: Registry, add: Any) -> None:
    """The failure names the registry."""
    missing = add("sha256:" + "0" * 64)
    assert missing.exit_code == 2
    assert f"registry {registry.host} has no team/app/manifests/sha256:000" in missing.told["failed"][0]["problem"]
    down = add("oci://127.0.0.1:1/team/app@sha256:" + "0" * 64)
    assert "did not answer" in down.told["failed"][0]["problem"]
