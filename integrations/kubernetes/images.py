"""Images as Kubernetes writes them: references, image ids, and the containers of a pod or a template.

Owns which digest an `imageID` or a reference names and which state a container is in. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.digests import digest_in
from integrations.kubernetes.resources import Json
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Container, ContainerRole, RunState

_LISTS = (
    (ContainerRole.MAIN, "containers", "containerStatuses"),
    (ContainerRole.INIT, "initContainers", "initContainerStatuses"),
    (ContainerRole.EPHEMERAL, "ephemeralContainers", "ephemeralContainerStatuses"),
)
_ENDED_PHASES = ("Succeeded", "Failed")


def has_ended(pod: Json) -> bool:
    """Whether it runs no more, and never will again."""
    return (pod.get("status") or {}).get("phase") in _ENDED_PHASES


def images_of(spec: Json) -> tuple[str, ...]:
    """Every image of a pod's spec, in each of its three lists."""
    return tuple(c.get("image") or "" for _, listed, _ in _LISTS for c in spec.get(listed) or ())


def of_pod(pod: Json) -> Iterator[Container]:
    """The pod's containers as they are now, `pods` being 1."""
    status = pod.get("status") or {}
    for role, listed, reported in _LISTS:
        seen = {s["name"]: s for s in status.get(reported) or ()}
        for c in (pod.get("spec") or {}).get(listed) or ():
            yield _live(c, role, seen.get(c["name"]), pod)


def of_template(template: Json, state: RunState) -> Iterator[Container]:
    """The containers that a template would make, in `state`; the digest is what the reference itself names."""
    for role, listed, _ in _LISTS:
        for c in (template.get("spec") or {}).get(listed) or ():
            image = c.get("image") or ""
            yield Container(c["name"], role, image, _digest(image, image), state)


def _live(container: Json, role: ContainerRole, status: Json | None, pod: Json) -> Container:
    image = container.get("image") or ""
    named = digest_in((status or {}).get("imageID") or "") or digest_in(image)
    return Container(container["name"], role, image, _digest(named, image), _state(role, status, pod), 1)


def _digest(text: str, image: str) -> str | Unknown:
    return digest_in(text) or Unknown(
        f"image {image or '(none)'}", "the reference names no digest, and no runtime has reported one"
    )


def _state(role: ContainerRole, status: Json | None, pod: Json) -> RunState:
    if has_ended(pod):
        return RunState.ENDED
    state: Mapping[str, Any] = (status or {}).get("state") or {}
    if "running" in state:
        return RunState.RUNNING
    if "terminated" not in state:
        return RunState.PENDING
    if role is ContainerRole.INIT:
        return RunState.RUNNING  # its pod lives, and every restart of the pod runs it again
    policy = (pod.get("spec") or {}).get("restartPolicy", "Always")
    restarts = policy == "Always" or (policy == "OnFailure" and state["terminated"].get("exitCode") != 0)
    return RunState.PENDING if restarts and role is ContainerRole.MAIN else RunState.ENDED
