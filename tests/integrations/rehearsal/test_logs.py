"""A pod's log on the rehearsal cluster, as an API server and a kubelet answer for it."""

from __future__ import annotations

import pytest
from calls import Caller, Json, image

from integrations.rehearsal import RehearsalCluster


def pod(name: str, *containers: str, picture: str = "", **spec: object) -> Json:
    """A pod of these containers."""
    held = [{"name": one, "image": picture or image("a")} for one in containers]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": held, **spec}}


@pytest.fixture
def path(cluster: RehearsalCluster, admin: Caller) -> str:
    """The log of a pod whose container has said four lines, then crashed, then said one."""
    admin.create("pods", pod("p", "main")).raise_for_status()
    admin.settle()
    cluster.say("work", "p", "main", "one\ntwo\nthree\nfour")
    cluster.crash("work", "p", "main")
    cluster.say("work", "p", "main", "again")
    return admin.path("pods", "p") + "/log"


def test_a_log_is_plain_text_bounded_as_asked(admin: Caller, path: str) -> None:
    """The last lines, then the first bytes of them; the previous container's apart; timestamps in front."""
    now = admin.http.get(path)
    assert (now.status_code, now.headers["content-type"], now.text) == (200, "text/plain", "again\n")
    before = {"previous": "true", "container": "main"}
    assert admin.http.get(path, params=before).text == "one\ntwo\nthree\nfour\n"
    assert admin.http.get(path, params={**before, "tailLines": "2"}).text == "three\nfour\n"
    assert admin.http.get(path, params={**before, "tailLines": "2", "limitBytes": "4"}).text == "thre"
    assert admin.http.get(path, params={**before, "tailLines": "0"}).text == ""
    assert admin.http.get(path, params={"timestamps": "true"}).text.split(" ")[1] == "again\n"
    status = admin.get("pods", "p")["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["lastState"]["terminated"]["exitCode"]) == (1, 1)


def test_what_has_no_log_is_refused_in_the_servers_words(admin: Caller, path: str) -> None:
    """Each refusal with its code and its message; a pod on no node has no content."""
    admin.create("pods", pod("two", "a", "b", initContainers=[{"name": "i", "image": image("a")}])).raise_for_status()
    admin.create("pods", pod("tag", "main", picture="nowhere:1")).raise_for_status()
    admin.create("pods", pod("late", "main", nodeSelector={"no": "where"})).raise_for_status()
    admin.settle()

    def told(name: str, **query: str) -> tuple[int, str]:
        answer = admin.http.get(admin.path("pods", name) + "/log", params=query)
        return answer.status_code, str(answer.json()["message"])

    choose = "a container name must be specified for pod two, choose one of: [a b] or one of the init containers: [i]"
    assert told("none") == (404, 'pods "none" not found')
    assert told("two") == (400, choose)
    assert told("p", container="x") == (400, "container x is not valid for pod p")
    waits = 'container "main" in pod "tag" is waiting to start: image can\'t be pulled'
    assert told("tag") == (400, waits)
    missing = 'previous terminated container "a" in pod "two" not found'
    assert told("two", container="a", previous="true") == (400, missing)
    most = 'PodLogOptions "p" is invalid: limitBytes: Invalid value: 0: must be greater than 0'
    assert told("p", limitBytes="0") == (422, most)
    assert told("p", tailLines="-1")[0] == 422
    assert told("p", tailLines="x")[0] == 400
    assert told("p", sinceSeconds="5")[0] == 501
    assert admin.http.get(admin.path("pods", "late") + "/log").status_code == 204
    assert admin.http.get(path, headers={"Accept": "text/plain"}).status_code == 406
