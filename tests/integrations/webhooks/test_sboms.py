"""CI sends SBOMs: signed, stored before the answer, once each; what is wrong is told as a file's would be."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from patchgap.graph.question import Question
from tests.integrations.webhooks.desk import Desk, envelope

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PURL = "pkg:npm/left-pad@1.0.0"
HERE = "/v1/sboms"


def sbom(**fields: Any) -> dict[str, Any]:
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6",
        "components": [{"type": "library", "name": "left-pad", "purl": PURL}], **fields,
    }  # fmt: skip


def affected(desk: Desk) -> set[str]:
    return set(desk.graph.affected_digests(Question.parse(PURL)))


@pytest.mark.parametrize("how", ["header", "query", "its own words"])
def test_it_is_stored_when_it_is_answered_and_once(desk: Desk, how: str) -> None:
    """201 with the digest and what it leaves open, then 200: by the same delivery, and by another."""
    told: dict[str, Any] = {"to": HERE}
    body = sbom()
    if how == "header":
        told["patchgap_artifact"] = f"registry.example.org/team/app@{DIGEST}"
    elif how == "query":
        told["to"] = f"{HERE}?artifact=registry.example.org/team/app@{DIGEST}"
    else:
        body = sbom(metadata={"component": {"type": "container", "name": "app", "version": DIGEST}})
    first = desk.post(body, **told)
    assert first.status_code == 201, first.text
    assert affected(desk) == {DIGEST}
    assert first.json()["digest"] == DIGEST
    assert (first.json()["packages"], first.json()["new"]) == (1, True)
    assert isinstance(first.json()["open"], list)
    assert [desk.post(body, delivery=one, **told).status_code for one in ("msg_1", "msg_2")] == [200, 200]


def test_an_image_that_the_sbom_does_not_name_is_not_joined_to_the_one_that_it_does(desk: Desk) -> None:
    """After a slip in a pipeline one image would answer for another; the answer says what was left apart."""
    body = sbom(metadata={"component": {"type": "container", "name": "app", "version": DIGEST}})
    told = desk.post(body, to=f"{HERE}?artifact=app@{OTHER}").json()
    assert (told["digests"], affected(desk)) == ([OTHER], {OTHER})
    assert f"it names {DIGEST} too, which is not known to be this image" in told["open"]


def test_a_delivery_cannot_be_sent_again_for_another_image(desk: Desk) -> None:
    """The signature does not cover the address: an id that came once stands for the image that it came with."""
    assert desk.post(sbom(), to=f"{HERE}?artifact=app@{DIGEST}").status_code == 201
    answer = desk.post(sbom(), to=f"{HERE}?artifact=app@{OTHER}")
    assert answer.status_code == 409
    assert affected(desk) == {DIGEST}


@pytest.mark.parametrize(
    ("body", "to", "status", "reason"),
    [
        (b"{", HERE, 400, "malformed JSON"),
        (json.dumps({"hello": 1}).encode(), HERE, 400, "it has neither"),
        (b"id: X\nmodified: x\n", HERE, 400, "an OSV record, which belongs in the mirror of advisories. Send an SBOM"),
        (json.dumps(sbom(components=[{"name": 7}])).encode(), HERE, 400, "components[0].name: Expected `str`"),
        (json.dumps(sbom()).encode(), HERE, 400, "in the header patchgap-artifact or in ?artifact="),
        (json.dumps(sbom()).encode(), f"{HERE}?artifact=app:latest", 400, "without its digest"),
        (json.dumps(sbom()).encode(), f"{HERE}?artifact=a@{DIGEST}&artifact=a@{OTHER}", 400, "more than once"),
        (json.dumps(envelope()).encode(), HERE, 400, "it has neither"),
        (b" " * (32 * 1024 * 1024 + 1), HERE, 413, "larger than 32 MiB"),
    ],
)  # fmt: skip
def test_a_bad_one_is_refused_with_its_reason(desk: Desk, body: bytes, to: str, status: int, reason: str) -> None:
    """A problem document, and nothing of it is stored."""
    answer = desk.post(body, to=to)
    assert answer.status_code == status
    assert reason in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert affected(desk) == set()


@pytest.mark.parametrize(
    "headers", [{"webhook_signature": "v1,AAAA"}, {"webhook_timestamp": "1"}, {"webhook_id": None}]
)
def test_what_is_not_signed_is_not_taken(desk: Desk, headers: dict[str, str | None]) -> None:
    """401, as for a signal."""
    assert desk.post(sbom(), to=f"{HERE}?artifact=a@{DIGEST}", **headers).status_code == 401
    assert affected(desk) == set()


def test_several_at_once_are_all_stored_or_told_to_come_again(desk: Desk) -> None:
    """No answer says that it is stored where it is not."""
    digests = [f"sha256:{n:064x}" for n in range(12)]

    def send(n: int) -> int:
        return desk.post(sbom(serialNumber=str(n)), delivery=f"m{n}", to=f"{HERE}?artifact=a@{digests[n]}").status_code

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(send, range(12)))
    assert set(statuses) <= {201, 503}
    assert affected(desk) == {digest for digest, status in zip(digests, statuses, strict=True) if status == 201}


def test_sboms_are_counted_apart_from_signals(desk: Desk) -> None:
    """By the status that was answered."""
    import httpx

    desk.post(sbom(), to=f"{HERE}?artifact=a@{DIGEST}")
    desk.post(b"{", delivery="m2", to=HERE)
    text = httpx.get(f"{desk.url}/metrics", trust_env=False).text
    assert 'patchgap_webhook_sboms_total{status="201"} 1.0' in text
    assert 'patchgap_webhook_sboms_total{status="400"} 1.0' in text
