"""The rehearsal cluster answers a recorded conversation as the real server did.

The record is a real Kubernetes v1.36.2's (tests/data/kubernetes); every call is answered with the same status,
reason, message and shape, or with a 501 that NOT_IMPLEMENTED lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from replay import Live, Replay, differences, entries, shape

from integrations.rehearsal import RehearsalCluster

ENTRIES = entries()
NOT_IMPLEMENTED: dict[str, str] = {}  # a call's name: why the rehearsal cluster answers 501; none is needed
OTHER_WRITER = {
    "list events of a pod": "the scheduler recorded them through events.k8s.io and no kubelet wrote any; here both "
    "write v1 events",
}


@pytest.fixture(scope="module")
def answers() -> Iterator[dict[str, tuple[Live, Replay]]]:
    """Every recorded call's live answer, by its name."""
    with RehearsalCluster.start(service_accounts=False) as cluster:
        for name in ("store", "agent", "nightly"):
            cluster.images[f"registry.example.com/x/{name}:1.0"] = "sha256:" + "1" * 64
        admin = cluster.kubeconfig()["users"][0]["user"]["token"]
        tokens = {"admin": admin, "viewer": cluster.add_user("viewer"), "nobody": "not-a-token"}
        with httpx.Client(base_url=cluster.url, verify=cluster.trust()) as client:
            replay = Replay(client, tokens)
            found: dict[str, tuple[Live, Replay]] = {}
            for entry in ENTRIES:
                cluster.settle()
                found[entry["name"]] = (replay.send(entry), replay)
        yield found


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["name"] for entry in ENTRIES])
def test_same_status_reason_and_words(entry: dict[str, Any], answers: dict[str, tuple[Live, Replay]]) -> None:
    """A call has the recorded status, kind, reason and message, with the live names in them."""
    live, replay = answers[entry["name"]]
    if live.status == 501:
        assert entry["name"] in NOT_IMPLEMENTED
        return
    recorded = entry["response"]
    assert live.status == entry["status"], live.body
    assert live.warnings == ((entry["warning"],) if entry["warning"] else ())
    if isinstance(recorded, dict):
        for key in ("kind", "apiVersion", "reason", "message", "code"):
            if isinstance(recorded.get(key), str | int):
                assert str(live.body.get(key)) == replay.translate(str(recorded[key]))
    elif isinstance(recorded, str):
        assert live.body == recorded


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["name"] for entry in ENTRIES])
def test_same_shape(entry: dict[str, Any], answers: dict[str, tuple[Live, Replay]]) -> None:
    """An answer has the recorded keys at every depth, no more and no fewer."""
    live, _ = answers[entry["name"]]
    if live.status == 501:
        assert entry["name"] in NOT_IMPLEMENTED
        return
    found = list(differences(shape(entry["response"]), shape(live.body)))
    if entry["name"] in OTHER_WRITER:
        found = [one for one in found if ".managedFields" not in one and one[0] == "-"]
    assert found == []


@pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if entry["path"].startswith("/api") and entry["name"].startswith("discovery")],
    ids=lambda entry: entry["path"],
)
def test_discovery(entry: dict[str, Any], answers: dict[str, tuple[Live, Replay]]) -> None:
    """What discovery advertises stands in the record, word for word; what is not served is not advertised."""
    live, _ = answers[entry["name"]]
    recorded = entry["response"]
    for listed in ("resources", "groups"):
        known = {one["name"]: one for one in recorded.get(listed, ())}
        for one in live.body.get(listed, ()):
            other = known[one["name"]]
            assert all(version in other["versions"] for version in one.get("versions", ()))
            assert {**one, "versions": None} == {**other, "versions": None}


def test_watches_see_the_recorded_kinds_of_event(answers: dict[str, tuple[Live, Replay]]) -> None:
    """A watch from a version tells of additions, changes and removals as the recorded one did."""
    for entry in ENTRIES:
        if "watch=1" in entry["path"]:
            live, _ = answers[entry["name"]]
            assert {event["type"] for event in live.body} == {event["type"] for event in entry["response"]}


def test_how_much_of_the_record_is_answered(
    answers: dict[str, tuple[Live, Replay]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The count of calls answered and not implemented is printed, and the list of 501 holds no stale name."""
    refused = sorted(name for name, (live, _) in answers.items() if live.status == 501)
    with capsys.disabled():
        print(f"\nrecorded calls: {len(ENTRIES)}, answered: {len(ENTRIES) - len(refused)}, 501: {len(refused)}")  # noqa: T201
    assert refused == sorted(NOT_IMPLEMENTED)
