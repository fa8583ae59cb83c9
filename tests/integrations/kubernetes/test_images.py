"""Images and their digests as Kubernetes writes them, and the states of containers."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.digests import digest_in
from integrations.kubernetes.images import of_pod, of_template
from integrations.kubernetes.inventory.families import Family
from integrations.kubernetes.inventory.states import containers
from patchgap.model.exposure import repository_of
from patchgap.model.unknown import Unknown
from patchgap.model.workload import ContainerRole, RunState

HEX = "a" * 64
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"docker-pullable://r.example/a@{DIGEST}", DIGEST),
        (f"r.example:5000/a:1.2@{DIGEST}", DIGEST),
        (f"docker://{DIGEST}", DIGEST),
        (DIGEST, DIGEST),
        ("r.example/a:1.2", ""),
        (f"r.example/a:sha256-{HEX}", ""),
        (f"r.example/a@sha256:{HEX[:-1]}", ""),
        ("", ""),
    ],
)
def test_a_digest_is_read_in_each_form(text: str, found: str) -> None:
    """Pullable, index, platform and bare config digests are read; a tag that resembles one is not."""
    assert digest_in(text) == found


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("nginx", "nginx"),
        ("r.example:5000/a/b", "r.example:5000/a/b"),
        ("r.example:5000/a/b:1", "r.example:5000/a/b"),
        (f"a/b:1@{DIGEST}", "a/b"),
        (DIGEST, ""),
    ],
)
def test_a_repository_is_the_reference_without_tag_and_digest(image: str, repository: str) -> None:
    """A registry's port is no tag, and a digest alone names no repository."""
    assert repository_of(image) == repository


def pod(state: dict[str, Any], phase: str = "Running", restart: str = "Always", listed: str = "containers") -> Any:
    """A pod with one container in that state."""
    reported = {"containers": "containerStatuses", "initContainers": "initContainerStatuses"}.get(
        listed, "ephemeralContainerStatuses"
    )
    status = {"name": "c", "state": state, "imageID": f"x@{DIGEST}"}
    return {
        "spec": {listed: [{"name": "c", "image": "r/x:1"}], "restartPolicy": restart},
        "status": {"phase": phase, reported: [status]},
    }


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (pod({"running": {}}), RunState.RUNNING),
        (pod({"waiting": {"reason": "CrashLoopBackOff"}}), RunState.PENDING),
        (pod({"terminated": {}}), RunState.PENDING),
        (pod({"terminated": {}}, restart="Never"), RunState.ENDED),
        (pod({"terminated": {"exitCode": 1}}, restart="OnFailure"), RunState.PENDING),
        (pod({"terminated": {"exitCode": 0}}, restart="OnFailure"), RunState.ENDED),
        (pod({"running": {}}, phase="Unknown"), RunState.RUNNING),
        (pod({"terminated": {}}, phase="Succeeded"), RunState.ENDED),
        (pod({"running": {}}, phase="Failed"), RunState.ENDED),
        (pod({"terminated": {}}, listed="initContainers"), RunState.RUNNING),
        (pod({"terminated": {}}, listed="ephemeralContainers"), RunState.ENDED),
    ],
)
def test_a_container_is_in_the_state_that_its_pod_reports(given: Any, state: RunState) -> None:
    """Waiting, restarting, ended, and an init container that every restart runs again."""
    [found] = of_pod(given)
    assert (found.state, found.digest, found.pods) == (state, DIGEST, 1)


def test_a_pod_without_status_takes_its_reference_at_its_word() -> None:
    """Before a runtime reports, the digest in the reference counts, and a tag is unknown with its name."""
    images = [{"name": "a", "image": f"r/a@{DIGEST}"}, {"name": "b", "image": "r/b:1"}]
    first, second = of_pod({"spec": {"containers": images}})
    assert (first.digest, first.state) == (DIGEST, RunState.PENDING)
    assert isinstance(second.digest, Unknown)
    assert "r/b:1" in second.digest.what


def test_a_template_lists_each_kind_of_container() -> None:
    """Main and init containers of a template are told apart, without pods."""
    spec = {"containers": [{"name": "a", "image": "r/a"}], "initContainers": [{"name": "i", "image": f"r/i@{DIGEST}"}]}
    found = {c.role: (c.digest == DIGEST, c.pods, c.state) for c in of_template({"spec": spec}, RunState.SCHEDULED)}
    assert found == {
        ContainerRole.MAIN: (False, 0, RunState.SCHEDULED),
        ContainerRole.INIT: (True, 0, RunState.SCHEDULED),
    }


@pytest.mark.parametrize(("replicas", "state"), [(2, RunState.PENDING), (0, RunState.ROLLBACK)])
def test_an_old_replica_set_counts_also_while_none_of_its_pods_is_there(replicas: int, state: RunState) -> None:
    """One that is not at zero makes its pods again at any moment; at zero it is a rollback target."""

    def manifest(kind: str, digest: str, count: int) -> dict[str, Any]:
        template = {"spec": {"containers": [{"name": "c", "image": f"r/x@{digest}"}]}}
        return {"kind": kind, "metadata": {"name": "x", "uid": kind}, "spec": {"replicas": count, "template": template}}

    family = Family(
        manifest("Deployment", "sha256:" + "b" * 64, 2), replica_sets=[manifest("ReplicaSet", DIGEST, replicas)]
    )
    assert [c.state for c in containers(family) if c.digest == DIGEST] == [state]
