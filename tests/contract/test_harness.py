"""The parts of the harness that a run on the rehearsal cluster would not touch."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from binaries import BinaryControlPlane
from control_plane import ASSETS, chosen
from kubelet_player import KubeletPlayer
from reach import wait

from integrations.rehearsal import RehearsalCluster

DIGEST = "sha256:" + "a" * 64


def test_the_player_runs_restarts_and_ends_pods() -> None:
    """Played nodes get a Deployment's pods, run those whose image is known, and let deleted ones go."""
    with RehearsalCluster.start(nodes=0, kubelet=False) as cluster:
        headers = {"Authorization": f"Bearer {cluster.kubeconfig()['users'][0]['user']['token']}"}
        with httpx.Client(base_url=cluster.url, verify=cluster.trust(), headers=headers) as client:
            images: dict[str, str] = {}
            player = KubeletPlayer(client, images)
            player.start()
            labels = {"app": "web"}
            containers = [{"name": "main", "image": "registry.example.com/x/web:1.0"}]
            template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
            spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
            path = "/apis/apps/v1/namespaces/default/deployments"
            document = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}
            client.post(path, json=document).raise_for_status()

            def reasons() -> set[str]:
                pods = client.get("/api/v1/pods").json()["items"]
                statuses = [one for pod in pods for one in pod["status"].get("containerStatuses", ())]
                return {one["state"].get("waiting", {}).get("reason", "runs") for one in statuses}

            wait(lambda: reasons() == {"ErrImagePull"}, 10, "the image is not known")
            images["registry.example.com/x/web:1.0"] = DIGEST
            wait(lambda: client.get(f"{path}/web").json()["status"].get("readyReplicas") == 2, 10, "two pods ready")
            client.request("DELETE", f"{path}/web", json={"propagationPolicy": "Foreground"}).raise_for_status()
            wait(lambda: client.get(f"{path}/web").status_code == 404, 10, "the Deployment is gone")
            assert client.get("/api/v1/pods").json()["items"] == []
            player.stop()


def test_the_player_binds_pods_where_there_is_no_scheduler() -> None:
    """A pod that no scheduler sees is put on a played node."""
    with RehearsalCluster.start(nodes=0, kubelet=False) as cluster:
        headers = {"Authorization": f"Bearer {cluster.kubeconfig()['users'][0]['user']['token']}"}
        with httpx.Client(base_url=cluster.url, verify=cluster.trust(), headers=headers) as client:
            player = KubeletPlayer(client, {}, nodes=1, binds=True)
            image = f"registry.example.com/x/web@{DIGEST}"
            selector = {"no.such/label": "here"}  # the scheduler leaves it alone
            pod = {
                "metadata": {"name": "p"},
                "spec": {"nodeSelector": selector, "containers": [{"name": "main", "image": image}]},
            }
            player.start()
            client.post("/api/v1/namespaces/default/pods", json=pod).raise_for_status()
            path = "/api/v1/namespaces/default/pods/p"
            wait(lambda: client.get(path).json()["status"]["phase"] == "Running", 10, "the pod runs")
            assert client.get(path).json()["spec"]["nodeName"] == "node-0"
            player.stop()


def test_a_folder_without_the_binaries_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """KUBEBUILDER_ASSETS that lacks a binary names it and what to do."""
    monkeypatch.setenv(ASSETS, str(tmp_path))
    with pytest.raises(RuntimeError, match="has no etcd and no kube-apiserver; put the binaries there"):
        chosen()


def test_a_binary_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """A process that ends instead of serving is named with what it said, and its folder is taken away."""
    for name in ("etcd", "kube-apiserver"):
        script = tmp_path / name
        script.write_text("#!/bin/sh\necho no space left on device\nexit 3\n")
        script.chmod(0o755)
    plane = BinaryControlPlane(tmp_path)
    with pytest.raises(RuntimeError, match=r"etcd is not ready(.|\n)*no space left on device"):
        plane.start()
    assert not plane.kubeconfig.parent.exists()


def test_an_added_user_gets_a_certificate_of_its_own(tmp_path: Path) -> None:
    """A user's kubeconfig for real binaries carries a client certificate, and is for its owner alone."""
    plane = BinaryControlPlane(tmp_path)
    path = plane.add_user("jo", ["team"])
    user = json.loads(path.read_text())["users"][0]
    assert (user["name"], sorted(user["user"])) == ("jo", ["client-certificate-data", "client-key-data"])
    assert path.stat().st_mode & 0o077 == 0
    plane.stop()
