"""Admission: what changes or refuses a write after authorization.

Owns the built-in plugins that the loop meets (namespace lifecycle, service accounts, tolerations, priority) and
calls the admission policies last.
"""

from __future__ import annotations

from typing import Protocol

from integrations.rehearsal.call import Call, World
from integrations.rehearsal.document import Json
from integrations.rehearsal.rbac import Attributes, Authorizer, aggregate, compact_rule
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.status import forbidden, not_found
from integrations.rehearsal.storage import Storage

_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_UNDELETABLE = ("default", "kube-system", "kube-public")


class Policies(Protocol):
    """The evaluation of admission policies."""

    def check(
        self, call: Call, resource: Resource, subresource: str, operation: str, new: Json | None, old: Json | None
    ) -> None:
        """Raise ApiError where a policy refuses the write or cannot be evaluated."""

    def compile(self, policy: Json) -> None:
        """Raise ApiError 422 where an expression of the policy does not compile."""


class BuiltIn:
    """The built-in plugins, then the policies."""

    def __init__(self, storage: Storage, world: World, authorizer: Authorizer, policies: Policies) -> None:
        self._storage = storage
        self._world = world
        self._authorizer = authorizer
        self._policies = policies
        self.service_accounts = True

    def mutate(self, call: Call, resource: Resource, operation: str, document: Json) -> None:
        """Fill in what admission adds to a pod; refuse writes into a namespace that is not there."""
        del call  # what is added does not depend on who asks
        if operation != "CREATE":
            return
        self._namespace(resource, document)
        if resource.kind != "Pod":
            return
        spec = document["spec"]
        if self.service_accounts:
            self._service_account(document)
        tolerations = spec.setdefault("tolerations", [])
        for key in _TOLERATED:
            if not any(t.get("key") in (key, None) and t.get("effect") in ("NoExecute", None) for t in tolerations):
                tolerations.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
        if not tolerations:
            del spec["tolerations"]
        spec.setdefault("priority", _priority(spec))
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")

    def validate(
        self, call: Call, resource: Resource, subresource: str, operation: str, new: Json | None, old: Json | None
    ) -> None:
        """Refuse what may not be deleted or granted, then ask the policies."""
        if resource.kind == "Namespace" and operation == "DELETE" and old is not None:
            name = old["metadata"]["name"]
            if name in _UNDELETABLE:
                raise forbidden(resource.target(name), "this namespace may not be deleted")
        if new is not None and subresource == "" and resource.group == "rbac.authorization.k8s.io":
            self._escalation(call, resource, new, old)
        if new is not None and resource.kind == "ValidatingAdmissionPolicy":
            self._policies.compile(new)
        self._policies.check(call, resource, subresource, operation, new, old)

    def _namespace(self, resource: Resource, document: Json) -> None:
        if not resource.namespaced:
            return
        name = document["metadata"]["namespace"]
        namespace = self._storage.get("namespaces", ("", name))
        target = resource.target(document["metadata"].get("name", ""))
        if namespace is None:
            missing = resource.target(name)
            raise not_found(type(missing)("", "namespaces", "Namespace", name))
        if namespace["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {name} because it is being terminated"
            cause = {
                "reason": "NamespaceTerminating",
                "message": f"namespace {name} is being terminated",
                "field": "metadata.namespace",
            }
            raise forbidden(target, why, [cause])

    def _service_account(self, document: Json) -> None:
        spec, metadata = document["spec"], document["metadata"]
        name = spec.setdefault("serviceAccountName", "default")
        spec["serviceAccount"] = name
        account = self._storage.get("serviceaccounts", (metadata["namespace"], name))
        if account is None:
            target = Resource("", "v1", "pods", "Pod").target(metadata.get("name", ""))
            why = f'error looking up service account {metadata["namespace"]}/{name}: serviceaccount "{name}" not found'
            raise forbidden(target, why)
        wanted = spec.get("automountServiceAccountToken")
        if wanted is None:
            wanted = account.get("automountServiceAccountToken", True)
        if not wanted or any(v["name"].startswith("kube-api-access-") for v in spec.get("volumes") or ()):
            return
        volume = f"kube-api-access-{self._world.suffix()}"
        spec["volumes"] = [*(spec.get("volumes") or ()), _token_volume(volume)]
        for key in ("initContainers", "containers"):
            for one in spec.get(key) or ():
                mounts = one.get("volumeMounts") or []
                if not any(m["mountPath"] == _MOUNT for m in mounts):
                    one["volumeMounts"] = [*mounts, {"name": volume, "readOnly": True, "mountPath": _MOUNT}]

    def _escalation(self, call: Call, resource: Resource, new: Json, old: Json | None) -> None:
        namespace, name = new["metadata"].get("namespace", ""), new["metadata"]["name"]
        verb = "escalate" if resource.kind in ("Role", "ClusterRole") else "bind"
        asked = Attributes(verb, resource.group, resource.plural, namespace=namespace, name=name)
        if verb == "bind":
            plural = f"{new['roleRef']['kind'].lower()}s"
            asked = Attributes(verb, resource.group, plural, namespace=namespace, name=new["roleRef"]["name"])
        if self._authorizer.decide(call.user, asked).allowed:
            return
        if verb == "escalate":
            if old is not None and old.get("rules") == new.get("rules"):
                return
            rules = list(new.get("rules") or ()) or aggregate(self._storage, new)
        else:
            if old is not None and old.get("subjects") == new.get("subjects"):
                return
            rules = self._authorizer.rules_of(new["roleRef"], namespace)
        missing = self._authorizer.not_held(call.user, rules, namespace)
        if missing:
            groups = " ".join(f'"{group}"' for group in call.user.groups)
            listed = "\n".join(compact_rule(rule) for rule in missing)
            why = (
                f'user "{call.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not '
                f"currently held:\n{listed}"
            )
            raise forbidden(resource.target(name), why)


def _priority(spec: Json) -> int:
    classes = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
    return classes.get(spec.get("priorityClassName", ""), 0)


def _token_volume(name: str) -> Json:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    root = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": root},
        {"downwardAPI": {"items": [namespace]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}
