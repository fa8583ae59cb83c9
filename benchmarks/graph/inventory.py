"""What the inventory of a large cluster costs: a stub API server on loopback serves lists in pages, and one process reads.

Run: python benchmarks/graph/inventory.py [--pods 5000]
The pods are as a real server writes them (managed fields, volumes, probes, conditions: 7 kB each), ten to a Deployment,
with their ReplicaSets, service accounts, roles and bindings, Services and namespaces. Ours is `KubernetesInventory.read`,
from the first request to the workloads, in a process of its own. The baseline, in another, asks for the same pages and
does json.loads of each. Prints both times, by the wall and by the processor, and peak memories, and the ratios.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrations.kubernetes.inventory import KubernetesInventory
from integrations.kubernetes.inventory.snapshot import EVERYTHING
from patchgap.ports import Connections
from patchgap.settings import ClusterSettings, KubernetesSettings, Settings

PAGE = 500
EACH = 10  # pods of a Deployment
SPACES = 50


def meta(kind: str, name: str, space: str, owner: tuple[str, str] | None = None, **labels: str) -> dict[str, Any]:
    """An object's metadata, with what a server and its clients leave there."""
    made: dict[str, Any] = {
        "name": name,
        "namespace": space,
        "uid": f"{kind}-{space}-{name}",
        "resourceVersion": "4711",
        "creationTimestamp": "2026-11-24T07:10:00Z",
        "labels": {"app": name, "team": "ml", **labels},
        "annotations": {"kubectl.kubernetes.io/restartedAt": "2026-11-24T07:10:00Z"},
        "managedFields": [
            {"manager": m, "operation": "Update", "fieldsV1": {f"f:field-{n}": {"f:value": {}} for n in range(25)}}
            for m in ("kube-controller-manager", "kubelet")
        ],
    }
    if owner:
        reference = {"kind": owner[0], "name": owner[1], "uid": f"{owner[0]}-{space}-{owner[1]}", "controller": True}
        made["ownerReferences"] = [reference]
    return made


def spec_of(name: str, digit: int) -> dict[str, Any]:
    """A pod's spec with two containers, an init container, volumes and probes."""
    picture = f"registry.example.com/ml/{name}@sha256:{digit:064x}"
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1}
    container = {
        "image": picture,
        "env": [{"name": f"SETTING_{n}", "value": f"value-{n}"} for n in range(12)],
        "resources": {"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "1", "memory": "2Gi"}},
        "livenessProbe": probe,
        "readinessProbe": probe,
        "volumeMounts": [{"name": f"volume-{n}", "mountPath": f"/var/lib/{n}"} for n in range(5)],
        "securityContext": {"runAsNonRoot": True, "capabilities": {"drop": ["ALL"]}},
    }
    return {
        "serviceAccountName": name,
        "initContainers": [{**container, "name": "init"}],
        "containers": [{**container, "name": "main"}, {**container, "name": "proxy"}],
        "volumes": [{"name": f"volume-{n}", "configMap": {"name": f"settings-{n}"}} for n in range(5)],
    }


def pod(n: int) -> dict[str, Any]:
    """The nth pod."""
    number = n // EACH
    name, space = f"app-{number}", f"team-{number % SPACES}"
    spec = {**spec_of(name, number + 1), "nodeName": f"node-{n % 100}", "restartPolicy": "Always"}
    digest = f"registry.example.com/ml/{name}@sha256:{number + 1:064x}"
    running = [
        {"name": c, "ready": True, "image": digest, "imageID": digest, "state": {"running": {"startedAt": "2026"}}}
        for c in ("main", "proxy")
    ]
    status = {
        "phase": "Running",
        "conditions": [{"type": f"Condition{i}", "status": "True", "lastTransitionTime": "2026"} for i in range(5)],
        "containerStatuses": running,
        "initContainerStatuses": [{"name": "init", "imageID": digest, "state": {"terminated": {"exitCode": 0}}}],
    }
    labels = {"app": name, "pod-template-hash": "1"}
    return {
        "metadata": meta("Pod", f"{name}-1-{n}", space, ("ReplicaSet", f"{name}-1"), **labels),
        "spec": spec,
        "status": status,
    }


def above(number: int, kind: str) -> dict[str, Any]:
    """The Deployment or ReplicaSet of that number's pods."""
    name, space = f"app-{number}", f"team-{number % SPACES}"
    is_set = kind == "ReplicaSet"
    template = {"metadata": {"labels": {"app": name}}, "spec": spec_of(name, number + 1)}
    spec = {"replicas": EACH, "selector": {"matchLabels": {"app": name}}, "template": template}
    owner = ("Deployment", name) if is_set else None
    return {"metadata": meta(kind, f"{name}-1" if is_set else name, space, owner), "spec": spec}


def objects(pods: int) -> dict[str, list[dict[str, Any]]]:
    """Every kind's objects, by plural."""
    many = range(pods // EACH)
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]}
    found: dict[str, list[dict[str, Any]]] = {r.plural: [] for r in EVERYTHING}
    found["pods"] = [pod(n) for n in range(pods)]
    found["deployments"] = [above(n, "Deployment") for n in many]
    found["replicasets"] = [above(n, "ReplicaSet") for n in many]
    found["namespaces"] = [{"metadata": meta("Namespace", f"team-{n}", "")} for n in range(SPACES)]
    found["nodes"] = [{"metadata": meta("Node", f"node-{n}", "")} for n in range(100)]
    for n in many:
        name, space = f"app-{n}", f"team-{n % SPACES}"
        subject = {"kind": "ServiceAccount", "name": name, "namespace": space}
        found["serviceaccounts"].append({"metadata": meta("ServiceAccount", name, space)})
        found["services"].append(
            {"metadata": meta("Service", name, space), "spec": {"type": "LoadBalancer", "selector": {"app": name}}}
        )
        found["roles"].append({"metadata": meta("Role", name, space), "rules": [rule]})
        reference = {"kind": "Role", "name": name}
        found["rolebindings"].append(
            {"metadata": meta("RoleBinding", name, space), "roleRef": reference, "subjects": [subject]}
        )
    return found


def pages(pods: int) -> dict[str, list[bytes]]:
    """The lists as they are sent, by path."""
    found = objects(pods)
    made = {}
    for resource in EVERYTHING:
        items = found[resource.plural]
        starts = range(0, max(len(items), 1), PAGE)
        made[resource.path()] = [
            json.dumps(
                {
                    "kind": f"{resource.kind}List",
                    "apiVersion": resource.api_version,
                    "metadata": {"resourceVersion": "1", "continue": str(n + 1) if n + 1 < len(starts) else ""},
                    "items": items[start : start + PAGE],
                }
            ).encode()
            for n, start in enumerate(starts)
        ]
    return made


def serve(pods: int, told: Any) -> None:
    """The stub: answers GET of a list's page, and sends its port when it listens."""
    held = pages(pods)

    class Stub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = held[url.path][int(parse_qs(url.query).get("continue", ["0"])[0])]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    told.put((server.server_port, sum(len(one) for many in held.values() for one in many)))
    server.serve_forever()


def inventory(port: int) -> int:
    """Ours: how many workloads."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kubeconfig"
        named = {"context": {"cluster": "c", "user": "u"}, "name": "c"}
        document = {
            "current-context": "c",
            "contexts": [named],
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {}}],
        }
        file.write_text(json.dumps(document))
        kubernetes = KubernetesSettings(clusters=(ClusterSettings(name="c", kubeconfig=file),), timeout_seconds=60)
        connections = Connections(Settings(home=Path(folder), database_url="sqlite://", kubernetes=kubernetes))
        return len(KubernetesInventory().read("c", connections).workloads)


def baseline(port: int) -> int:
    """json.loads of the same pages, one after the other, nothing kept: how many objects."""
    connection, count = HTTPConnection("127.0.0.1", port), 0
    for resource in EVERYTHING:
        following = "0"
        while following:
            connection.request("GET", f"{resource.path()}?limit={PAGE}&continue={following}")
            page = json.loads(connection.getresponse().read())
            count += len(page["items"])
            following = page["metadata"]["continue"]
    return count


def measured(work: Callable[[int], int], port: int, told: Any) -> None:
    """Runs it, and sends its answer, seconds by the wall and by the processor, and the process's largest memory in MB."""
    begun, busy = time.perf_counter(), time.process_time()
    answer = work(port)
    spent = time.perf_counter() - begun, time.process_time() - busy
    told.put((answer, *spent, getrusage(RUSAGE_SELF).ru_maxrss / 1024))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5000)
    pods = parser.parse_args().pods
    processes = multiprocessing.get_context("spawn")
    told: Any = processes.Queue()
    server = processes.Process(target=serve, args=(pods, told), daemon=True)
    server.start()
    port, size = told.get()
    print(f"{pods} pods, {size / 1e6:.0f} MB of JSON in pages of {PAGE}")
    spent = {}
    for name, work in (("json.loads", baseline), ("inventory", inventory)):
        one = processes.Process(target=measured, args=(work, port, told))
        one.start()
        answer, *spent[name], memory = told.get()
        one.join()
        print(
            f"{name:12} {spent[name][0]:6.2f} s  processor {spent[name][1]:6.2f} s  peak {memory:4.0f} MB  ({answer})"
        )
    wall, busy = (ours / naive for ours, naive in zip(spent["inventory"], spent["json.loads"], strict=True))
    print(f"inventory / json.loads: {wall:.2f}, processor {busy:.2f}")
    server.terminate()


if __name__ == "__main__":
    main()
