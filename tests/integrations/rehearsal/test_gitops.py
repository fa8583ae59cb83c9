"""The kinds of Argo CD, Flux and KEDA, and the GitOps controller that argues until it is paused."""

from __future__ import annotations

from typing import Any

import pytest
from calls import PATCHES, Caller, image, workload

from integrations.rehearsal import RehearsalCluster

APPS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
KUSTOMIZATIONS = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"


def in_work(**spec: Any) -> dict[str, Any]:
    """The Deployment that Git holds."""
    made = workload("Deployment", "web", replicas=2, **spec)
    made["metadata"]["namespace"] = "work"
    return made


def merged(admin: Caller, path: str, body: dict[str, Any], kind: str = "merge") -> Any:
    """The answer to a patch of that path."""
    return admin.http.patch(path, json=body, headers={"Content-Type": PATCHES[kind]})


def scaled(admin: Caller, replicas: int) -> int:
    """Scales by hand, and tells the replicas that stand once the controllers are done."""
    admin.patch("deployments", "web", {"spec": {"replicas": replicas}}).raise_for_status()
    admin.settle()
    return int(admin.get("deployments", "web")["spec"]["replicas"])


def test_kinds_of_a_product_are_served_once_it_is_installed(cluster: RehearsalCluster, admin: Caller) -> None:
    """Before, the path is none of the API's and discovery does not name the group; after, objects of it are kept."""
    assert admin.http.get("/apis/argoproj.io/v1alpha1/applications").text == "404 page not found\n"
    assert admin.http.get("/apis/argoproj.io").status_code == 404
    cluster.install("argocd")
    assert "argoproj.io" in {g["name"] for g in admin.http.get("/apis").json()["groups"]}
    names = {r["name"] for r in admin.http.get("/apis/argoproj.io/v1alpha1").json()["resources"]}
    assert names == {"applications", "applicationsets", "applicationsets/status"}
    app = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "a"}}
    body = {**app, "spec": {"syncPolicy": {"automated": {"prune": True}}, "sources": [{"path": "x"}, {"path": "y"}]}}
    where = "/apis/argoproj.io/v1alpha1/namespaces/work/applications"
    assert admin.http.post(where, json=body).status_code == 201
    changed = merged(admin, f"{where}/a", {"spec": {"syncPolicy": {"automated": None}}}).json()
    assert changed["spec"] == {"syncPolicy": {}, "sources": [{"path": "x"}, {"path": "y"}]}
    assert changed["metadata"]["generation"] == 2
    assert merged(admin, f"{where}/a", {}, "strategic").status_code == 415
    applied = {**app, "spec": {"sources": [{"path": "z"}]}}
    answer = admin.http.patch(
        f"{where}/a",
        json=applied,
        params={"fieldManager": "x", "force": "true"},
        headers={"Content-Type": PATCHES["apply"]},
    )
    assert answer.json()["spec"]["sources"] == [{"path": "z"}]  # a list without a schema is one whole


@pytest.mark.parametrize(
    ("kind", "path", "stop", "go"),
    [
        (
            "Application",
            f"{APPS}/web",
            {"spec": {"syncPolicy": {"automated": None}}},
            {"spec": {"syncPolicy": {"automated": {"selfHeal": True}}}},
        ),
        ("Kustomization", f"{KUSTOMIZATIONS}/web", {"spec": {"suspend": True}}, {"spec": {"suspend": False}}),
    ],
)
def test_a_gitops_controller_argues_until_it_is_paused(
    cluster: RehearsalCluster, admin: Caller, kind: str, path: str, stop: dict[str, Any], go: dict[str, Any]
) -> None:
    """A change by hand is undone, also a deletion; while the owner is paused it stands; resumed, Git wins again."""
    cluster.git.keep(kind, "web", [in_work()])
    admin.settle()
    assert scaled(admin, 5) == 2
    admin.delete("deployments", "web")
    admin.settle()
    assert admin.get("deployments", "web")
    merged(admin, path, stop).raise_for_status()
    assert scaled(admin, 5) == 5
    merged(admin, path, go).raise_for_status()
    admin.settle()
    assert admin.get("deployments", "web")["spec"]["replicas"] == 2


def test_an_application_tells_what_differs_and_is_synced_by_hand(cluster: RehearsalCluster, admin: Caller) -> None:
    """Paused, it reports OutOfSync and applies nothing new until a person syncs it; its parent writes its policy back."""
    cluster.git.keep("Application", "web", [in_work()])
    admin.settle()
    merged(admin, f"{APPS}/web", {"spec": {"syncPolicy": {"automated": None}}}).raise_for_status()
    pictured = in_work()
    pictured["spec"]["template"]["spec"]["containers"][0]["image"] = image("b")
    cluster.git.commit(pictured)
    admin.settle()
    told = admin.http.get(f"{APPS}/web").json()["status"]
    assert [told["sync"]["status"], told["resources"][0]["status"]] == ["OutOfSync", "OutOfSync"]
    assert admin.images("web") == {image("a")}
    cluster.git.sync("Application", "web")
    admin.settle()
    assert admin.images("web") == {image("b")}
    assert admin.http.get(f"{APPS}/web").json()["status"]["sync"]["status"] == "Synced"
    child = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"}
    policy = {"automated": {"selfHeal": True}}
    cluster.git.keep(
        "Application",
        "root",
        [{**child, "metadata": {"name": "web", "namespace": "argocd"}, "spec": {"syncPolicy": policy}}],
    )
    admin.settle()
    assert admin.http.get(f"{APPS}/web").json()["spec"]["syncPolicy"] == policy
