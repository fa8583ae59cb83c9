"""The rehearsal cluster: starting it, talking to it, and stopping it.

Owns the public surface (`RehearsalCluster`); everything else in this folder is its parts.
"""

from __future__ import annotations

import base64
import json
import os
import random
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from integrations.rehearsal import custom
from integrations.rehearsal.call import Call, World
from integrations.rehearsal.controllers.every import controllers
from integrations.rehearsal.controllers.gitops import Gitops
from integrations.rehearsal.controllers.work import Work
from integrations.rehearsal.document import Json, clone
from integrations.rehearsal.faults import Fault, Planned
from integrations.rehearsal.kubelet import Images, Kubelet
from integrations.rehearsal.machine import Machine
from integrations.rehearsal.rbac import MASTERS, User, system_objects
from integrations.rehearsal.resources import BY_KEY, BY_KIND
from integrations.rehearsal.server import Logged, Server
from integrations.rehearsal.status import not_implemented

_FIRST = ("default", "kube-node-lease", "kube-public", "kube-system")
_RBAC_KEYS = {
    "ClusterRole": "clusterroles.rbac.authorization.k8s.io",
    "ClusterRoleBinding": "clusterrolebindings.rbac.authorization.k8s.io",
}


class RehearsalCluster:
    """A running cluster on loopback; use it as a context manager, or call `stop`."""

    def __init__(self, name: str, step: float, *, service_accounts: bool) -> None:
        self.name = name
        chance = random.Random(os.urandom(16))  # noqa: S311 - names and uids; tokens come from `secrets`
        self._machine = Machine(World(time.time, chance))
        self._machine.admission.service_accounts = service_accounts
        self._work = Work(self._machine, time.monotonic)
        self._kubelet = Kubelet(self._machine, step, lambda key: self._work.add((self._kubelet, key)))
        self.git = Gitops(self._machine, lambda owner: self._work.add((self._reconciler, owner)))
        self._reconciler = self.git.controller
        self._server = Server(self._machine)
        self._tokens: dict[str, str] = {}
        self._admin = Call(User("admin", (MASTERS, "system:authenticated")), "rehearsal")

    @classmethod
    def start(
        cls,
        *,
        name: str = "rehearsal",
        objects: Iterable[Mapping[str, Any]] = (),
        nodes: int = 3,
        step: float = 0.0,
        service_accounts: bool = True,
        kubelet: bool = True,
    ) -> RehearsalCluster:
        """A running cluster with these objects created in order by `admin`, namespaces first.

        `step` is the seconds that a pod takes to start and to stop. `service_accounts` off leaves out the admission
        plugin of that name, as a server without it does; `kubelet` off leaves the nodes' part to someone else.
        Raises ApiError where an object is refused.
        """
        cluster = cls(name, step, service_accounts=service_accounts)
        cluster._work.start(
            controllers(cluster._machine, (cluster._kubelet,) if kubelet else (), (cluster._reconciler,))
        )
        try:
            cluster._bootstrap(nodes)
            for document in sorted(objects, key=lambda one: one.get("kind") != "Namespace"):
                cluster._create(clone(dict(document)))
            cluster.add_user("admin", (MASTERS,))
            cluster._server.start()
        except BaseException:
            cluster._work.stop()
            raise
        return cluster

    @property
    def url(self) -> str:
        """The server's address, without a trailing slash."""
        return self._server.url

    def trust(self) -> ssl.SSLContext:
        """What trusts its certificate, for a client that reads no kubeconfig."""
        return ssl.create_default_context(cadata=self._server.certificate.decode())

    @property
    def images(self) -> Images:
        """The registry's tags: `cluster.images["repo:tag"] = "sha256:…"`."""
        return self._kubelet.images

    @property
    def requests(self) -> Sequence[Logged]:
        """Every request answered so far, oldest first."""
        return tuple(self._server.requests)

    def kubeconfig(self, user: str = "admin") -> dict[str, Any]:
        """A kubeconfig document for a user that `add_user` made; raises KeyError for any other."""
        entry = {"name": user, "user": {"token": self._tokens[user]}}
        context = {"name": self.name, "context": {"cluster": self.name, "user": user}}
        authority = base64.b64encode(self._server.certificate).decode()
        cluster = {"server": self.url, "certificate-authority-data": authority}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "contexts": [context],
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [entry],
        }

    def write_kubeconfig(self, path: Path, user: str = "admin") -> Path:
        """Write the kubeconfig (JSON, which is YAML too) for its owner alone; returns the path."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self.kubeconfig(user), file, indent=2)
        path.chmod(0o600)
        return path

    def add_user(self, name: str, groups: Sequence[str] = ()) -> str:
        """A bearer token for a user; what it may do is up to RBAC."""
        self._tokens[name] = self._machine.tokens.add_user(name, groups)
        return self._tokens[name]

    def install(self, *products: str) -> None:
        """Serve the kinds of these products from now on, as `custom.PRODUCTS` names them. Raises KeyError for another."""
        for product in products:
            self._machine.installed |= custom.groups_of(product)

    def uninstall(self, *products: str) -> None:
        """Serve them no more."""
        for product in products:
            self._machine.installed -= custom.groups_of(product)

    def settle(self, timeout: float = 10) -> None:
        """Wait until the controllers have nothing left to do; raises TimeoutError."""
        self._work.settle(timeout)

    def compact(self) -> None:
        """Forget the history so far: a watch from an older revision is answered 410."""
        self._machine.storage.compact()

    def fail(
        self,
        fault: Fault = "error",
        *,
        method: str = "",
        path: str = "",
        agent: str = "",
        skip: int = 0,
        times: int = 1,
    ) -> Planned:
        """Spoil `times` calls after the first `skip`. Not done: `error` (500), `throttle` (429), `close` (breaks off),
        `hang`. Done, and the answer spoilt: `reset` (the connection), `drip` (a byte now and then), `truncate`.

        `method` empty means any, "WRITE" any that may change something; `path` is a regular expression searched in
        the path, `agent` a part of the caller's User-Agent.
        """
        return self._server.faults.plan(fault, method=method, path=path, agent=agent, skip=skip, times=times)

    @property
    def faults_left(self) -> int:
        """How many calls are still to be spoilt."""
        return self._server.faults.left

    def say(self, namespace: str, pod: str, container: str, text: str) -> None:
        """Lines that a container writes to its log. Raises KeyError where there is no such pod."""
        self._machine.logs.write(self._pod(namespace, pod)["metadata"]["uid"], container, text)

    def crash(self, namespace: str, pod: str, container: str, code: int = 1) -> None:
        """A container ends with that code and is started again: its log becomes the previous one's."""
        found = self._pod(namespace, pod)
        self._kubelet.restart(found, container, code)
        self._machine.logs.roll(found["metadata"]["uid"], container)

    def _pod(self, namespace: str, name: str) -> Json:
        found = self._machine.storage.get("pods", (namespace, name))
        if found is None:
            raise KeyError(f"{namespace}/{name}")
        return found

    def objects(self) -> list[dict[str, Any]]:
        """Every object that is stored now, whole, with its kind; for whoever judges what was done to the cluster."""
        return [
            clone({**stored, "apiVersion": resource.group_version, "kind": resource.kind})
            for key, resource in BY_KEY.items()
            for stored in self._machine.storage.all(key)
        ]

    def save(self) -> Callable[[], None]:
        """What brings the cluster back to how it stands now, its objects' uids included; settle before and after."""
        saved = self._machine.storage.saved()
        return lambda: self._machine.storage.restore(saved)

    def heal(self) -> None:
        """Forget the planned faults."""
        self._server.faults.clear()

    def stop(self) -> None:
        """Stop the server and the controllers."""
        self._work.stop()
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _bootstrap(self, nodes: int) -> None:
        writer = self._machine.writer
        for kind, document in system_objects():
            writer.create(self._admin, BY_KEY[_RBAC_KEYS[kind]], "", clone(document))
        for namespace in _FIRST:
            writer.create(self._admin, BY_KEY["namespaces"], "", {"metadata": {"name": namespace}})
        for number in range(nodes):
            node = writer.create(self._admin, BY_KEY["nodes"], "", _node(f"node-{number}"))
            self._kubelet.register(node)

    def _create(self, document: Json) -> None:
        group, _, version = str(document.get("apiVersion", "")).rpartition("/")
        resource = BY_KIND.get((group, version, str(document.get("kind"))))
        if resource is None:
            raise not_implemented(f"objects of kind {document.get('apiVersion')} {document.get('kind')}")
        namespace = document.get("metadata", {}).get("namespace", "default") if resource.namespaced else ""
        if resource.kind == "Namespace" and document["metadata"]["name"] in _FIRST:
            return
        self._machine.writer.create(self._admin, resource, namespace, document)


def _node(name: str) -> Json:
    labels = {"topology.kubernetes.io/region": "eu-west-1"}
    return {"metadata": {"name": name, "labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}}}
