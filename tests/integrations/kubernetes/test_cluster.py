"""The client: bounded retries, pages, preconditions and errors, on a transport that plays a script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from integrations.kubernetes.answers import DeniedError, ForbiddenError, NotServedError, UnauthorizedError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import CONFIG_MAPS, DEPLOYMENTS, PODS
from integrations.kubernetes.transport import HttpAnswer
from patchgap.errors import ConflictError, NotFoundError, PatchgapError, RefusedError, UnreachableError


class Script:
    """A transport that gives its answers in order and keeps what it was sent."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = [HttpAnswer(c, "", b if isinstance(b, bytes) else json.dumps(b).encode()) for c, b in answers]
        self.sent: list[tuple[str, str, dict[str, str], Any]] = []

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        """The next answer."""
        self.sent.append((method, url, dict(headers), json.loads(body) if body else None))
        return self.answers.pop(0)

    def bearer(self, token: str) -> Script:
        """The same script."""
        return self


def cluster(*answers: tuple[int, Any]) -> tuple[Cluster, Script, list[float]]:
    """A cluster on a script, and the pauses that it made."""
    script, pauses = Script(*answers), list[float]()
    return Cluster("prod", script, pauses.append), script, pauses


def status(code: int, message: str, **details: Any) -> tuple[int, dict[str, Any]]:
    """A Kubernetes Status as it is answered."""
    return code, {"kind": "Status", "status": "Failure", "message": message, "code": code, "details": details}


def test_a_passing_failure_is_tried_again_a_bounded_number_of_times() -> None:
    """503 and 429 are repeated with growing pauses, four times at the most, and then the cluster is unreachable."""
    reached, script, pauses = cluster((503, b"busy"), (429, b"slow"), (200, {"metadata": {}}))
    assert reached.get(PODS, "a", "b") == {"metadata": {}}
    assert pauses == sorted(pauses)
    assert len(script.sent) == 3
    reached, script, _ = cluster(*[(500, b"broken")] * 9)
    with pytest.raises(UnreachableError, match="prod answered 500"):
        reached.get(PODS, "a", "b")
    assert len(script.sent) == 4


@pytest.mark.parametrize("way", ["create", "delete"])
def test_the_kill_switch_stops_a_repetition_that_waits(way: str) -> None:
    """Raised while a write that was not taken waits for its next try, it lets that one not go out; a dry run may."""
    reached, script, pauses = cluster(*[(429, b"slow")] * 3, (200, {"metadata": {}}), (429, b"slow"), (200, {}))

    def may_write() -> None:
        if pauses:
            raise RefusedError("the kill switch stands", "Lower it.")

    guarded, pod = reached.guarded(may_write), {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}}

    def write(*, dry_run: bool) -> Any:
        if way == "delete":
            return guarded.delete(PODS, "a", "b", "u", dry_run=dry_run)
        return guarded.create(PODS, "a", pod, dry_run=dry_run)

    with pytest.raises(RefusedError, match="kill switch"):
        write(dry_run=False)
    assert len(script.sent) == 1
    write(dry_run=True)
    assert len(script.sent) == 4


def test_a_list_is_read_page_by_page_and_again_where_it_expired() -> None:
    """Pages are followed by their token; a 410 starts over, once."""
    first = (200, {"kind": "PodList", "metadata": {"continue": "t"}, "items": [{"metadata": {"name": "a"}}]})
    last = (200, {"kind": "PodList", "metadata": {}, "items": [{"metadata": {"name": "b"}}]})
    reached, script, _ = cluster(first, status(410, "too old"), first, last)
    found = reached.all_of(PODS, "x")
    assert [(f["kind"], f["metadata"]["name"]) for f in found] == [("Pod", "a"), ("Pod", "b")]
    assert script.sent[-1][1].endswith("continue=t")
    assert "limit=500" in script.sent[0][1]


def test_a_list_that_expires_twice_is_no_list() -> None:
    """Where the second reading expires too, what was read is thrown away: half a list must not look like a whole one."""
    first = (200, {"kind": "PodList", "metadata": {"continue": "t"}, "items": [{"metadata": {"name": "a"}}]})
    gone = status(410, "too old")
    reached, _, _ = cluster(first, gone, first, gone)
    with pytest.raises(UnreachableError, match="changed while it was read"):
        reached.all_of(PODS, "x")


@pytest.mark.parametrize(
    "answer", [{}, {"kind": "Status", "status": "Success"}, {"kind": "PodList"}, {"items": []}, {"kind": "Pod"}]
)
def test_what_is_no_list_is_not_an_empty_one(answer: dict[str, Any]) -> None:
    """A proxy's empty object or a foreign document is unknown, never a cluster that runs nothing."""
    reached, _, _ = cluster((200, answer))
    with pytest.raises(UnreachableError, match="no list"):
        reached.all_of(PODS)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (status(401, "Unauthorized"), UnauthorizedError, "does not accept the credentials"),
        (
            status(
                403,
                'secrets is forbidden: User "v" cannot list resource "secrets" in API group "" in the namespace "t"',
            ),
            ForbiddenError,
            "may not list core/secrets in t",
        ),
        (
            status(403, "x is forbidden: ValidatingAdmissionPolicy 'p' with binding 'p' denied request: no"),
            DeniedError,
            "denied it by admission",
        ),
        (status(404, 'pods "b" not found'), NotFoundError, "not found"),
        ((404, b"404 page not found\n"), NotServedError, "does not serve"),
        ((501, b"later"), NotServedError, "does not serve"),
        (
            status(409, "Apply failed", causes=[{"field": ".spec.replicas", "message": 'conflict with "kubectl"'}]),
            ConflictError,
            r"\.spec\.replicas \(conflict with \"kubectl\"\)",
        ),
        (status(409, 'pods "b" already exists'), ConflictError, "already exists"),
        (status(422, "spec is invalid"), RefusedError, "refused GET .* with 422: spec is invalid"),
        ((200, b"<html>login</html>"), UnreachableError, "no JSON object"),
        ((200, b"[]"), UnreachableError, "no JSON object"),
    ],
)
def test_each_refusal_is_a_clear_error(answer: tuple[int, Any], kind: type[PatchgapError], words: str) -> None:
    """What the server says becomes patchgap's error, naming cluster, field and what is missing, and the fix."""
    reached, _, _ = cluster(answer)
    with pytest.raises(kind, match=words) as caught:
        reached.get(PODS, "a", "b")
    assert "prod" in str(caught.value)
    assert str(caught.value).endswith(caught.value.fix)


def test_a_long_foreign_text_is_trimmed() -> None:
    """A foreign body is shown on one line, cut, without control characters."""
    reached, _, _ = cluster(status(422, "a\n\x1b[31m" + "b" * 5000))
    with pytest.raises(RefusedError) as caught:
        reached.get(PODS, "a", "b")
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_writes_say_who_and_whether_they_are_dry() -> None:
    """Apply names the field manager and never forces; a delete has uid and dry run in its body."""
    reached, script, _ = cluster((200, {}), (200, {}))
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}}
    reached.apply(manifest, dry_run=True)
    method, url, headers, body = script.sent[0]
    assert (method, body) == ("PATCH", manifest)
    assert url == "/api/v1/namespaces/n/configmaps/m?fieldManager=patchgap&dryRun=All"
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    reached.delete(CONFIG_MAPS, "n", "m", "u-1", dry_run=True)
    _, url, _, body = script.sent[1]
    assert "?" not in url
    assert (body["preconditions"], body["dryRun"]) == ({"uid": "u-1"}, ["All"])


@pytest.mark.parametrize("name", ["", "..", "a/b", "."])
def test_a_path_never_names_more_than_one_object(name: str) -> None:
    """An empty or crooked name is refused before anything is sent: it would name a list or another path."""
    reached, script, _ = cluster()
    with pytest.raises(RefusedError):
        reached.delete(DEPLOYMENTS, "n", name, "u")
    assert script.sent == []


def test_each_write_asks_the_kill_switch_and_no_reading_does() -> None:
    """A raised switch stops apply, patch, create and delete before they are sent; reads and dry runs go on."""

    def stopped() -> None:
        raise RefusedError("the kill switch stands", "Lower it.")

    bare, script, _ = cluster((200, {}), (200, {}))
    reached = bare.guarded(stopped)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "n"}}
    for write in (
        lambda: reached.apply(manifest),
        lambda: reached.patch(CONFIG_MAPS, "n", "m", {}),
        lambda: reached.create(CONFIG_MAPS, "n", manifest),
        lambda: reached.delete(CONFIG_MAPS, "n", "m", "u"),
    ):
        with pytest.raises(RefusedError, match="kill switch"):
            write()
    assert script.sent == []
    reached.get(CONFIG_MAPS, "n", "m")
    reached.apply(manifest, dry_run=True)
    assert len(script.sent) == 2


def test_waiting_ends_with_the_time() -> None:
    """A condition that never comes true is given up after the seconds asked for."""
    reached, _, pauses = cluster()
    assert reached.until(5, lambda: None) is None
    assert 5 <= sum(pauses) < 8
