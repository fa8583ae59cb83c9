"""The kubelet's part: pods on nodes start, run, finish and go.

Owns pods' status as a node reports it, with image ids from digests or from the cluster's table of tags.
An image named by a tag that the table does not know cannot be pulled, as on a real node.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterable
from hashlib import sha256

from integrations.rehearsal.controllers.work import Hands, key_of
from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.rbac import User
from integrations.rehearsal.storage import Change, Key

FINISH = "rehearsal.patchgap.io/finish"


class Images(UserDict[str, str]):
    """The registry's tags: a reference as pods write it to a digest. Setting one wakes the pods that wait."""

    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def __setitem__(self, reference: str, digest: str) -> None:
        super().__setitem__(reference, digest)
        self._changed()

    def image_id(self, reference: str) -> str:
        """What a node reports for an image: `repository@digest`, or an empty string where it cannot be pulled."""
        name, _, digest = reference.partition("@")
        if not digest:
            digest = self.data.get(reference, "")
        head, slash, tail = name.rpartition("/")
        repository = f"{head}{slash}{tail.partition(':')[0]}"
        if digest and "@" in digest:
            return digest
        return f"{repository}@{digest}" if digest else ""


class Kubelet:
    """Every node's kubelet."""

    def __init__(self, machine: Machine, step: float, wake: Callable[[Key], None]) -> None:
        self._machine = machine
        self._step = step
        self._wake = wake
        self.images = Images(self._woken)
        user = User("system:node:rehearsal", ("system:nodes", "system:authenticated"))
        self._hands = Hands(machine, "kubelet", user=user, manager="kubelet")
        self._seen: dict[str, float] = {}

    def register(self, node: Json) -> None:
        """Report a node as ready."""
        size = {"cpu": "1k", "memory": "4000Gi", "pods": "5k"}
        ready = {
            "type": "Ready",
            "status": "True",
            "lastHeartbeatTime": None,
            "reason": "KubeletReady",
            "lastTransitionTime": self._hands.world.now(),
        }
        status = {**node["status"], "capacity": size, "allocatable": dict(size), "conditions": [ready]}
        self._hands.set_status("nodes", node, status)

    def _woken(self) -> None:
        for pod in self._machine.storage.all("pods"):
            if dig(pod, "status", "phase") == "Pending" and pod["spec"].get("nodeName"):
                self._wake(key_of(pod))

    def keys(self, change: Change) -> Iterable[Key]:
        """Pods on a node."""
        if change.resource == "pods" and change.new is not None and change.new["spec"].get("nodeName"):
            yield change.key

    def sync(self, key: Key) -> float | None:
        """Take one pod's next step; returns the wait before it where steps take time."""
        pod = self._hands.get("pods", key)
        if pod is None:
            return None
        deleting = bool(pod["metadata"].get("deletionTimestamp"))
        phase = dig(pod, "status", "phase")
        token = f"{pod['metadata']['uid']}:{'delete' if deleting else phase}"
        if (deleting or phase == "Pending") and (wait := self._wait(token, pod)) > 0:
            return wait
        self._seen.pop(token, None)
        if deleting:
            self._hands.event(pod, "Killing", "Stopping container", host=pod["spec"]["nodeName"])
            self._hands.delete("pods", pod, grace=0)
        elif phase in ("Pending", "Running"):
            self._run(pod)
        return None

    def restart(self, pod: Json, container: str, code: int) -> None:
        """One of its containers ended with that code and runs again."""
        now = self._hands.world.now()
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": now, "finishedAt": now}

        def again(one: Json) -> Json:
            if one["name"] != container:
                return one
            running = {"running": {"startedAt": now}}
            count = one["restartCount"] + 1
            return {**one, "state": running, "lastState": {"terminated": ended}, "restartCount": count}

        statuses = [again(one) for one in pod["status"].get("containerStatuses") or ()]
        self._hands.set_status("pods", pod, {**pod["status"], "containerStatuses": statuses})

    def _wait(self, token: str, pod: Json) -> float:
        now = self._hands.world.clock()
        due = self._seen.setdefault(token, now + min(self._step, _grace(pod)))
        return due - now

    def _run(self, pod: Json) -> None:
        status = self._status(pod)
        if status == pod["status"]:
            return
        starting = status["phase"] == "Running" and pod["status"].get("phase") == "Pending"
        written = self._hands.set_status("pods", pod, status)
        if starting:
            for one in pod["spec"]["containers"]:
                words = f"Started container {one['name']}"
                self._hands.event(written, "Started", words, host=pod["spec"]["nodeName"])
        elif status["phase"] == "Pending":
            self._hands.event(written, "Failed", "Error: ErrImagePull", "Warning", host=pod["spec"]["nodeName"])

    def _status(self, pod: Json) -> Json:
        spec, before, now = pod["spec"], pod["status"], self._hands.world.now()
        images = [one["image"] for key in ("initContainers", "containers") for one in spec.get(key) or ()]
        pulled = all(self.images.image_id(image) for image in images)
        finish = (pod["metadata"].get("annotations") or {}).get(FINISH, "") if pulled else ""
        phase = {"succeed": "Succeeded", "fail": "Failed"}.get(finish, "Running" if pulled else "Pending")
        address = before.get("podIP") or self._address(pod)
        status: Json = {
            "phase": phase,
            "conditions": _conditions(before, phase, now),
            "hostIP": "127.0.0.1",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": before.get("startTime") or now,
            "qosClass": before.get("qosClass", "BestEffort"),
        }
        for key, where in (
            ("initContainers", "initContainerStatuses"),
            ("containers", "containerStatuses"),
            ("ephemeralContainers", "ephemeralContainerStatuses"),
        ):
            ended = key == "initContainers" or phase in ("Succeeded", "Failed")
            code = 1 if phase == "Failed" and key == "containers" else 0
            known = {one["name"]: one for one in before.get(where) or ()}
            listed = [
                self._container(pod, one, known.get(one["name"]), ended=ended, code=code) for one in spec.get(key) or ()
            ]
            if listed:
                status[where] = listed
        return status

    def _address(self, pod: Json) -> str:
        number = int(pod["metadata"]["resourceVersion"])
        return f"10.1.{number // 250 % 250}.{number % 250 + 1}"

    def _container(self, pod: Json, one: Json, before: Json | None, *, ended: bool, code: int) -> Json:
        image_id = self.images.image_id(one["image"])
        same = before is not None and (before["imageID"], before["image"]) == (image_id, one["image"])
        if same and before is not None and ("terminated" in before["state"]) == ended:
            return before
        base: Json = {"name": one["name"], "lastState": {}, "restartCount": (before or {}).get("restartCount", 0)}
        base |= {"image": one["image"], "imageID": image_id}
        if not image_id:
            words = f'failed to resolve reference "{one["image"]}": not found'
            waiting = {"waiting": {"reason": "ErrImagePull", "message": words}}
            return base | {"state": waiting, "ready": False, "started": False}
        if before is not None and before["imageID"]:
            base["restartCount"] += 0 if ended else 1
        now = self._hands.world.now()
        identity = f"{pod['metadata']['uid']}/{one['name']}/{base['restartCount']}"
        base["containerID"] = f"containerd://{sha256(identity.encode()).hexdigest()}"
        if ended:
            reason = "Error" if code else "Completed"
            terminated = {"exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now}
            return base | {"state": {"terminated": terminated}, "ready": code == 0, "started": True}
        return base | {"state": {"running": {"startedAt": now}}, "ready": True, "started": True}


def _grace(pod: Json) -> float:
    grace = pod["metadata"].get("deletionGracePeriodSeconds")
    return float("inf") if grace is None else float(grace)


def _conditions(before: Json, phase: str, now: str) -> list[Json]:
    known = {one["type"]: one for one in before.get("conditions") or ()}
    running = "True" if phase == "Running" else "False"
    wanted = {"Initialized": "False" if phase == "Pending" else "True", "Ready": running, "ContainersReady": running}
    listed: list[Json] = []
    for kind, status in wanted.items():
        old = known.pop(kind, None)
        same = old is not None and old["status"] == status
        since = old["lastTransitionTime"] if same and old is not None else now
        listed.append({"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since})
    return [*listed, *known.values()]
