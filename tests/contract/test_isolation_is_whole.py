"""isolate_workloads and containment_effective: what defeats an isolation, which form beats it, and who enforces it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scene import GOOD, Scene, deployment, image, namespace, policy, template

from integrations.kubernetes.actions.isolate_workloads import IsolateWorkloads
from integrations.kubernetes.checks.containment_effective import ContainmentEffective
from integrations.kubernetes.isolation import FORMS
from integrations.kubernetes.resources import DEPLOYMENTS, of_object
from patchgap.model.evidence import Verdict
from patchgap.model.plan import Uncovered
from patchgap.ports import Situation

ISOLATE = IsolateWorkloads()
EFFECTIVE = ContainmentEffective()


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """A trainer in its namespace."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), deployment())
    return made


def plugin(
    name: str, space: str = "cilium-system", args: tuple[str, ...] = (), container: str = "main"
) -> dict[str, Any]:
    """A network plugin's DaemonSet."""
    pod = template(name, image(GOOD, "r.example/agent"))
    pod["spec"]["containers"][0] |= {"name": container, "args": list(args)}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": pod}
    meta = {"name": name, "namespace": space}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": spec}


@pytest.mark.parametrize(
    ("found", "verdict", "said"),
    [
        (None, Verdict.UNKNOWN, "no network plugin that does is recognised"),
        (plugin("kube-flannel-ds"), Verdict.UNKNOWN, "no network plugin that does is recognised"),
        (plugin("cilium", "training"), Verdict.UNKNOWN, "no network plugin that does is recognised"),
        (plugin("aws-node", container="aws-eks-nodeagent"), Verdict.UNKNOWN, "without its network policy agent"),
        (plugin("kube-router", args=("--run-firewall=false",)), Verdict.UNKNOWN, "without its firewall"),
        (plugin("antrea-agent"), Verdict.PASS, "it is enforced"),
        (
            plugin("aws-node", args=("--enable-network-policy=true",), container="aws-eks-nodeagent"),
            Verdict.PASS,
            "it is enforced",
        ),
    ],
    ids=["none", "flannel", "elsewhere", "aws-off", "router-off", "antrea", "aws-on"],
)
def test_an_isolation_is_effective_only_where_a_plugin_is_seen_to_enforce_it(
    controllers: Any, scene: Scene, found: dict[str, Any] | None, verdict: Verdict, said: str
) -> None:
    """What nothing is known to enforce is unknown, in the receipt and in the evidence; never silently fine."""
    if found:
        scene.make(namespace("cilium-system"), found)
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(ISOLATE, situation)
    assert control.receipt.result["proved"] is (verdict is Verdict.PASS)
    [seen] = EFFECTIVE.observe(EFFECTIVE.parameters(), replace(situation, controls=(control,)))
    assert (seen.verdict, said in "; ".join(seen.reasons)) == (verdict, True), seen.reasons


def test_a_leak_or_what_could_not_be_isolated_fails_the_check(controllers: Any, scene: Scene) -> None:
    """Another policy that allows, a planned isolation that does not stand, and a workload that none reaches: each by name. One
    that is gone meanwhile keeps no incident open."""
    scene.make(
        namespace("cilium-system"),
        plugin("antrea-agent"),
        policy("allow-dns", {"matchLabels": {"app": "trainer"}}, egress=[{}]),
    )
    situation = scene.situation(scene.workload("trainer"))
    [control] = scene.perform(ISOLATE, situation)
    there, left = (
        Uncovered("isolate_workloads", f"contract/training/Deployment/{name}", "host's network")
        for name in ("trainer", "agent")
    )
    for held in (
        replace(situation, controls=(control,)),
        replace(situation, planned=(control.intent.action,)),
        replace(situation, uncovered=(there,)),
    ):
        [seen] = EFFECTIVE.observe(EFFECTIVE.parameters(), held)
        assert seen.verdict is Verdict.FAIL, seen
    gone = replace(situation, planned=(control.intent.action,), released=frozenset({control.intent.action.id}))
    for held in (situation, gone, replace(situation, uncovered=(left,))):
        [seen] = EFFECTIVE.observe(EFFECTIVE.parameters(), held)
        assert seen.verdict is Verdict.PASS


@pytest.fixture
def products(control_plane: Any) -> Iterator[Callable[[str], None]]:
    """Serves a product's kinds on the rehearsal cluster; they and their objects are taken away again."""
    if not hasattr(control_plane, "cluster"):
        pytest.skip("real binaries serve no product's kinds")
    cluster, served = control_plane.cluster, list[str]()

    def install(product: str) -> None:
        served.append(product)
        cluster.install(product)

    yield install
    cluster.uninstall(*served)


def custom(api: str, kind: str, name: str, spec: dict[str, Any], space: str = "training") -> dict[str, Any]:
    """An object of a product's kind."""
    meta = {"name": name, **({"namespace": space} if space else {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec}


CILIUM_ALLOW = custom(
    "cilium.io/v2",
    "CiliumNetworkPolicy",
    "cnp",
    {"endpointSelector": {"matchLabels": {"k8s:app": "trainer"}}, "ingress": [{"fromEntities": ["world"]}]},
)
CALICO_ALLOW = custom(
    "projectcalico.org/v3",
    "GlobalNetworkPolicy",
    "gnp",
    {"selector": "app == 'trainer'", "ingress": [{"action": "Allow"}]},
    "",
)
ADMIN_ALLOW = custom(
    "policy.networking.k8s.io/v1alpha1",
    "AdminNetworkPolicy",
    "anp",
    {"priority": 1, "subject": {"namespaces": {}}, "egress": [{"action": "Allow", "name": "dns"}]},
    "",
)


@pytest.mark.parametrize(
    ("product", "daemon_set", "form", "kind", "leaks"),
    [
        ("cilium", "cilium", "cilium", "CiliumNetworkPolicy", []),
        ("calico", "calico-node", "calico", "NetworkPolicy", []),
        ("cilium", "antrea-agent", "kubernetes", "NetworkPolicy", ["CiliumNetworkPolicy/cnp", "allow"]),
        ("calico", "antrea-agent", "kubernetes", "NetworkPolicy", ["GlobalNetworkPolicy/gnp", "allow"]),
        ("adminpolicies", "antrea-agent", "kubernetes", "NetworkPolicy", ["AdminNetworkPolicy/anp", "allow"]),
    ],
)
def test_auto_takes_the_form_whose_deny_beats_the_others_allows(
    products: Any, scene: Scene, product: str, daemon_set: str, form: str, kind: str, leaks: list[str]
) -> None:
    """Where Cilium or Calico is both served and running its own deny is made, and no allow of others leaks; else each
    allow that defeats the deny is named, of whatever kind. A release leaves none of it."""
    products(product)
    own = {"cilium": CILIUM_ALLOW, "calico": CALICO_ALLOW, "adminpolicies": ADMIN_ALLOW}[product]
    scene.make(namespace("cilium-system"), plugin(daemon_set), policy("allow", {}, ingress=[{}]))
    resource = of_object(own)
    theirs = scene.admin.create(resource, own["metadata"].get("namespace", ""), own)["metadata"]
    situation = scene.situation(scene.workload("trainer"))
    [target] = scene.targets(ISOLATE, situation)
    assert ISOLATE.preview(ISOLATE.parameters(), target, situation)
    [control] = scene.perform(ISOLATE, situation)
    assert control.receipt.result["leaks"] == leaks
    assert control.receipt.result["proved"] is (not leaks)
    made = of_object(control.receipt.result["objects"][0])
    assert (control.receipt.result["form"], made.kind, made is FORMS[form][0]) == (form, kind, True)
    assert ISOLATE.observe(control.intent, situation)
    assert ISOLATE.apply(control.intent, situation).result == control.receipt.result
    ISOLATE.release(control, situation)
    scene.admin.delete(resource, theirs.get("namespace", ""), theirs["name"], theirs["uid"])
    assert {m["metadata"]["name"] for m in scene.admin.all_of(made, "training")} <= {"allow"}


def test_a_form_that_the_cluster_does_not_serve_leaves_the_workload_uncovered(scene: Scene) -> None:
    """A playbook that asks for Cilium's form where there is no Cilium isolates nothing by another, and says so."""
    situation = scene.situation(scene.workload("trainer"))
    [uncovered] = ISOLATE.targets(ISOLATE.parameters(form="cilium"), situation)
    assert isinstance(uncovered, Uncovered)
    assert "does not serve cilium.io/ciliumnetworkpolicies" in uncovered.reason


def test_what_could_not_be_isolated_and_is_mended_keeps_no_incident_open(controllers: Any, scene: Scene) -> None:
    """Once its template and every pod of it run an image whose SBOM proves the mend; never where the incident is about no
    package."""
    situation = scene.situation(scene.workload("trainer"))
    left = (Uncovered("isolate_workloads", "contract/training/Deployment/trainer", "host's network"),)

    def verdict(held: Situation) -> Verdict:
        [seen] = EFFECTIVE.observe(EFFECTIVE.parameters(), replace(held, uncovered=left))
        return seen.verdict

    assert verdict(situation) is Verdict.FAIL
    mended = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image(GOOD)}]}}}}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", mended)
    scene.eventually(lambda: verdict(situation) is Verdict.PASS, 60)
    assert verdict(replace(situation, exposures=(), affected_digests=frozenset())) is Verdict.FAIL
