"""The contract suite's fixtures: one control plane a run, one namespace a test."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from control_plane import ControlPlane, chosen, described
from reach import ClientFor, Eventually, MakeNamespace, client_from, wait
from reset import Reset


def pytest_report_header() -> str:
    """Say what the contract runs on."""
    return f"contract suite: {described()}"


@pytest.fixture(scope="session")
def running_plane() -> Iterator[tuple[ControlPlane, Reset]]:
    """The run's control plane, and what brings it back to how it started."""
    plane = chosen()
    plane.start()
    try:
        with client_from(json.loads(plane.kubeconfig.read_text())) as client:
            yield plane, Reset(client, has_controllers=plane.has_controllers)
    finally:
        plane.stop()


@pytest.fixture
def control_plane(running_plane: tuple[ControlPlane, Reset]) -> Iterator[ControlPlane]:
    """The control plane; what a test makes on it is taken away after the test."""
    plane, reset = running_plane
    yield plane
    reset.run()


@pytest.fixture
def controllers(control_plane: ControlPlane) -> ControlPlane:
    """The control plane, for a test that needs the workload controllers."""
    if not control_plane.has_controllers:
        pytest.skip("no kube-controller-manager beside kube-apiserver: nothing rolls workloads out")
    return control_plane


@pytest.fixture
def client_for() -> Iterator[ClientFor]:
    """Makes a plain HTTP client from a kubeconfig file."""
    made: list[httpx.Client] = []

    def make(kubeconfig: Path) -> httpx.Client:
        made.append(client_from(json.loads(kubeconfig.read_text())))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def api(control_plane: ControlPlane, client_for: ClientFor) -> httpx.Client:
    """A plain HTTP client with the admin's credentials."""
    return client_for(control_plane.kubeconfig)


@pytest.fixture
def make_namespace(control_plane: ControlPlane, api: httpx.Client) -> MakeNamespace:
    """Makes namespaces of unusual names, with labels as asked, ready for pods."""

    def make(labels: Mapping[str, str] | None = None, prefix: str = "contract") -> str:
        name = f"{prefix}-{secrets.token_hex(4)}"
        document = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": dict(labels or {})},
        }
        api.post("/api/v1/namespaces", json=document).raise_for_status()
        if control_plane.has_controllers:
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            wait(lambda: api.get(account).status_code == 200, 20, f"{name}'s default service account")
        return name

    return make


@pytest.fixture
def namespace(make_namespace: MakeNamespace) -> str:
    """A namespace of the test's own."""
    return make_namespace()


@pytest.fixture
def eventually() -> Eventually:
    """Waits until a function returns something true, and returns that: `eventually(look, within=20, what="…")`."""

    def until(look: Callable[[], Any], within: float = 20, what: str = "") -> Any:
        return wait(look, within, what)

    return until
