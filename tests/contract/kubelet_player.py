"""The kubelet's part on a real control plane that has no nodes: the suite plays it over the plain REST API.

Owns nodes that are ready, pods that run with image ids, and the end of pods that are deleted. Where there is no
scheduler it binds pods too. It completes nothing else: workloads are the controllers'.
"""

from __future__ import annotations

import threading
from collections.abc import MutableMapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import httpx

Json = dict[str, Any]
_MERGE = {"Content-Type": "application/merge-patch+json"}
_STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
_LOOK_EVERY, _BEAT_EVERY = 0.1, 10.0
_ACCEPTED = (404, 409)  # gone, or changed since it was read: the next look sees


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def image_id(reference: str, images: MutableMapping[str, str]) -> str:
    """What a node reports for an image, or an empty string where its tag is not in the table."""
    name, _, digest = reference.partition("@")
    digest = digest or images.get(reference, "")
    if not digest or "@" in digest:
        return digest
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}@{digest}"


class KubeletPlayer:
    """A thread that plays every node's kubelet until stopped; what goes wrong is raised by `stop`."""

    def __init__(
        self, client: httpx.Client, images: MutableMapping[str, str], *, nodes: int = 3, binds: bool = False
    ) -> None:
        self._client = client
        self._images = images
        self._nodes = [f"node-{number}" for number in range(nodes)]
        self._binds = binds
        self._bound = 0
        self._stopping = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="kubelet-player", daemon=True)

    def start(self) -> None:
        """Register the nodes and begin."""
        for name in self._nodes:
            labels = {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": "eu-west-1",
            }
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
            self._sent("POST", "/api/v1/nodes", node)
        self._beat()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; raises what ended it early."""
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        looks = 0
        try:
            while not self._stopping.wait(_LOOK_EVERY):
                looks += 1
                if looks % int(_BEAT_EVERY / _LOOK_EVERY) == 0:
                    self._beat()
                for pod in self._client.get("/api/v1/pods").raise_for_status().json()["items"]:
                    self._step(pod)
        except Exception as failure:  # noqa: BLE001 - carried to the caller of stop(), where it is raised
            self._failure = failure

    def _beat(self) -> None:
        """Report every node as ready; without it the node controller gives them up."""
        size = {"cpu": "1000", "memory": "4000Gi", "pods": "5000"}
        for name in self._nodes:
            ready = {
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "played by the contract suite",
                "lastHeartbeatTime": _now(),
                "lastTransitionTime": _now(),
            }
            status = {"capacity": size, "allocatable": size, "conditions": [ready]}
            self._sent("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, _STRATEGIC)
            self._untaint(name)

    def _untaint(self, name: str) -> None:
        """Take away the taint that a new node carries until a node controller (if there is one) finds it ready."""
        node = self._client.get(f"/api/v1/nodes/{name}").raise_for_status().json()
        taints = node["spec"].get("taints") or []
        left = [taint for taint in taints if taint["key"] != "node.kubernetes.io/not-ready"]
        if left != taints:
            self._sent("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": left or None}}, _MERGE)

    def _step(self, pod: Json) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if not pod["spec"].get("nodeName"):
            if self._binds and not metadata.get("deletionTimestamp"):
                self._bind(path, pod)
        elif metadata.get("deletionTimestamp"):
            if not metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
                options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
                self._sent("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", **options})
        elif pod["status"].get("phase") in ("Pending", "Running"):
            self._report(path, pod)

    def _bind(self, path: str, pod: Json) -> None:
        self._bound += 1
        target = {"apiVersion": "v1", "kind": "Node", "name": self._nodes[self._bound % len(self._nodes)]}
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod["metadata"]["name"]},
            "target": target,
        }
        self._sent("POST", f"{path}/binding", binding)

    def _report(self, path: str, pod: Json) -> None:
        status, before = self._status(pod), pod["status"]
        if all(_same(before.get(key), value) for key, value in status.items()):
            return
        metadata = {"uid": pod["metadata"]["uid"]}
        self._sent("PATCH", f"{path}/status", {"metadata": metadata, "status": status}, _STRATEGIC)

    def _status(self, pod: Json) -> Json:
        spec, before = pod["spec"], pod["status"]
        references = [one["image"] for key in ("initContainers", "containers") for one in spec.get(key) or ()]
        pulled = all(image_id(reference, self._images) for reference in references)
        started = before.get("startTime") or _now()
        running = "True" if pulled else "False"
        known = {one["type"]: one for one in before.get("conditions") or ()}
        conditions = [
            _condition(known.get(kind), kind, state)
            for kind, state in (("Initialized", running), ("Ready", running), ("ContainersReady", running))
        ]
        status: Json = {
            "phase": "Running" if pulled else "Pending",
            "conditions": conditions,
            "hostIP": "127.0.0.1",
            "podIP": "10.1.0.1",
            "podIPs": [{"ip": "10.1.0.1"}],
            "startTime": started,
        }
        for key, where in (
            ("initContainers", "initContainerStatuses"),
            ("containers", "containerStatuses"),
            ("ephemeralContainers", "ephemeralContainerStatuses"),
        ):
            listed = [self._container(pod, one, started, ended=key == "initContainers") for one in spec.get(key) or ()]
            if listed:
                status[where] = listed
        return status

    def _container(self, pod: Json, one: Json, started: str, *, ended: bool) -> Json:
        identity = image_id(one["image"], self._images)
        base = {"name": one["name"], "image": one["image"], "imageID": identity, "restartCount": 0, "lastState": {}}
        if not identity:
            waiting = {"reason": "ErrImagePull", "message": f"{one['image']} is not in the suite's table of images"}
            return base | {"ready": False, "started": False, "state": {"waiting": waiting}}
        container = sha256(f"{pod['metadata']['uid']}/{one['name']}/{identity}".encode()).hexdigest()
        base |= {"containerID": f"containerd://{container}", "ready": True, "started": True}
        if ended:
            times = {"startedAt": started, "finishedAt": started}
            return base | {"state": {"terminated": {"exitCode": 0, "reason": "Completed", **times}}}
        return base | {"state": {"running": {"startedAt": started}}}

    def _sent(self, method: str, path: str, body: Json, headers: dict[str, str] | None = None) -> None:
        answer = self._client.request(method, path, json=body, headers=headers)
        if answer.status_code not in _ACCEPTED:
            answer.raise_for_status()


def _condition(before: Json | None, kind: str, state: str) -> Json:
    since = before["lastTransitionTime"] if before is not None and before["status"] == state else _now()
    return {"type": kind, "status": state, "lastTransitionTime": since}


def _same(before: Any, wanted: Any) -> bool:
    """Whether what is wanted already stands there (a server adds fields of its own, and other conditions)."""
    if isinstance(wanted, dict):
        return isinstance(before, dict) and all(_same(before.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(before, list) and all(any(_same(one, value) for one in before) for value in wanted)
    return bool(before == wanted)
