"""The subresources that are not the object itself: scale, eviction, binding and token.

Owns their documents and steps; the writing itself is the verbs'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from integrations.rehearsal.apply import Manager, Owned, read_owners, write_owners
from integrations.rehearsal.call import Call
from integrations.rehearsal.deletion import DeleteOptions, Deleter, check_preconditions
from integrations.rehearsal.document import Json, clone, dig
from integrations.rehearsal.resources import BY_KEY, Resource
from integrations.rehearsal.selectors import from_document
from integrations.rehearsal.status import (
    ApiError,
    Cause,
    Target,
    bad_request,
    conflict,
    invalid,
    modified,
    not_found,
    not_implemented,
)
from integrations.rehearsal.storage import Key
from integrations.rehearsal.tokens import AUDIENCE, Tokens
from integrations.rehearsal.verbs import Writer

PODS = BY_KEY["pods"]
_SHORTEST_TOKEN = 600
_BUDGETS = "poddisruptionbudgets.policy"


def selector_text(selector: Json | None) -> str:
    """A label selector as a query's text."""
    parts = [f"{key}={value}" for key, value in sorted(((selector or {}).get("matchLabels") or {}).items())]
    for one in (selector or {}).get("matchExpressions") or ():
        values = ",".join(sorted(one.get("values") or ()))
        words = {
            "In": f"{one['key']} in ({values})",
            "NotIn": f"{one['key']} notin ({values})",
            "Exists": one["key"],
            "DoesNotExist": f"!{one['key']}",
        }
        parts.append(words[one["operator"]])
    return ",".join(parts)


def scale_of(workload: Json) -> Json:
    """The Scale of a workload; zero replicas are left out, as the server writes it."""
    metadata = {
        key: workload["metadata"][key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in workload["metadata"]
    }
    replicas = dig(workload, "spec", "replicas")
    status: Json = {"replicas": dig(workload, "status", "replicas") or 0}
    text = selector_text(dig(workload, "spec", "selector"))
    if text:
        status["selector"] = text
    spec = {"replicas": replicas} if replicas else {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}


class Subresources:
    """Writes through subresources."""

    def __init__(self, writer: Writer, deleter: Deleter, tokens: Tokens) -> None:
        self._writer = writer
        self._deleter = deleter
        self._tokens = tokens
        self._world = writer.world
        self._storage = writer.storage

    def scale(self, call: Call, resource: Resource, key: Key, edit: Callable[[Json], Json]) -> Json:
        """Change a workload's replicas through its Scale."""
        with self._storage.lock:
            live = self._storage.get(resource.key, key)
            if live is None:
                raise not_found(resource.target(key[1]))
            before = scale_of(live)
            after = edit(clone(before))
            wanted = (after.get("spec") or {}).get("replicas") or 0
            version = (after.get("metadata") or {}).get("resourceVersion")
            if version and version != live["metadata"]["resourceVersion"]:
                raise modified(resource.target(key[1]))
            if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 0:
                message = f"Invalid value: {wanted}: must be greater than or equal to 0"
                raise invalid(
                    Target("autoscaling", "scales", "Scale", key[1]),
                    [Cause("FieldValueInvalid", message, "spec.replicas")],
                )
            after["spec"] = {"replicas": wanted} if wanted else {}
            self._writer.admission.validate(call, resource, "scale", "UPDATE", after, before)
            manager = Manager(call.manager, "Update", resource.group_version, "scale")
            new = self._scaled(live, wanted, manager)
            if call.dry_run or new == live:
                return scale_of(new)
            return scale_of(self._storage.put(resource.key, key, new))

    def _scaled(self, live: Json, wanted: int, manager: Manager) -> Json:
        if dig(live, "spec", "replicas") == wanted:
            return live
        new = clone(live)
        new["spec"]["replicas"] = wanted
        new["metadata"]["generation"] = live["metadata"].get("generation", 0) + 1
        path = ("f:spec", "f:replicas")
        owners = {one: Owned(owned.paths - {path}, owned.time) for one, owned in read_owners(live).items()}
        if wanted:
            owners[manager] = Owned(frozenset({path}), self._world.now())
        write_owners(new, owners)
        return new

    def bind(self, call: Call, key: Key, body: Json) -> Json:
        """Put a pod on a node, as a scheduler does."""
        node = str(dig(body, "target", "name") or "")
        with self._storage.lock:
            live = self._storage.get("pods", key)
            if live is None:
                raise not_found(PODS.target(key[1]))
            if live["spec"].get("nodeName"):
                why = f'pod {key[1]} is already assigned to node "{live["spec"]["nodeName"]}"'
                raise conflict(Target("", "pods/binding", "Binding", key[1]), why)
            self._writer.admission.validate(call, PODS, "binding", "CREATE", body, None)
            if not call.dry_run:
                self._storage.put("pods", key, self._bound(live, node))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def _bound(self, live: Json, node: str) -> Json:
        new = clone(live)
        new["spec"]["nodeName"] = node
        known = self._storage.get("nodes", ("", node)) or {}
        labels = dig(known, "metadata", "labels") or {}
        copied = {key: labels[key] for key in _TOPOLOGY if key in labels}
        if copied:
            new["metadata"]["labels"] = {**(new["metadata"].get("labels") or {}), **copied}
        condition = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self._world.now(),
        }
        others = [c for c in new["status"].get("conditions") or () if c["type"] != "PodScheduled"]
        new["status"]["conditions"] = [*others, condition]
        return new

    def evict(self, call: Call, key: Key, body: Json) -> Json:
        """Delete a pod unless a disruption budget forbids it."""
        options = DeleteOptions.read(body.get("deleteOptions") or {})
        with self._storage.lock:
            live = self._storage.get("pods", key)
            if live is None:
                raise not_found(PODS.target(key[1]))
            self._writer.admission.validate(call, PODS, "eviction", "CREATE", body, None)
            check_preconditions(PODS, live, options)
            if not live["metadata"].get("deletionTimestamp") and live["status"].get("phase") == "Running":
                self._budget(live)
            evicting = Call(call.user, call.manager, call.dry_run or options.dry_run)
            if not evicting.dry_run and not live["metadata"].get("deletionTimestamp"):
                self._storage.put("pods", key, self._doomed(live))
            self._deleter.delete(evicting, PODS, key, replace(options, resource_version=""))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def _doomed(self, live: Json) -> Json:
        new = clone(live)
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": self._world.now(),
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        }
        new["status"]["conditions"] = [*(new["status"].get("conditions") or ()), condition]
        return new

    def _budget(self, pod: Json) -> None:
        namespace, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels")
        budgets = [
            budget
            for budget in self._storage.all(_BUDGETS, namespace)
            if from_document(dig(budget, "spec", "selector")).matches(labels)
        ]
        if len(budgets) > 1:
            message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            raise ApiError(500, "InternalError", message, {})
        for budget in budgets:
            status = budget["status"]
            if status.get("disruptionsAllowed", 0) > 0:
                continue
            words = (
                f"The disruption budget {budget['metadata']['name']} needs {status.get('desiredHealthy', 0)} "
                f"healthy pods and has {status.get('currentHealthy', 0)} currently"
            )
            cause = {"reason": "DisruptionBudget", "message": words}
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            raise ApiError(429, "TooManyRequests", message, {"causes": [cause]})

    def token(self, call: Call, key: Key, body: Json) -> Json:
        """Issue a service-account token (TokenRequest)."""
        account = self._storage.get("serviceaccounts", key)
        if account is None:
            raise not_found(BY_KEY["serviceaccounts"].target(key[1]))
        spec = body.get("spec") or {}
        seconds = spec.get("expirationSeconds", 3600)
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < _SHORTEST_TOKEN:
            message = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
            target = Target("authentication.k8s.io", "tokenrequests", "TokenRequest", "")
            raise invalid(target, [Cause("FieldValueInvalid", message, "spec.expirationSeconds")])
        reference = self._reference(key[0], spec.get("boundObjectRef"))
        self._writer.admission.validate(call, BY_KEY["serviceaccounts"], "token", "CREATE", body, None)
        audiences = list(spec.get("audiences") or (AUDIENCE,))
        token = self._tokens.bound(account, seconds, audiences, reference)
        status = {"token": token, "expirationTimestamp": self._world.now(ahead=seconds)}
        filled = {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": spec.get("boundObjectRef")}
        return {
            "kind": "TokenRequest",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": self._token_metadata(call, account, spec),
            "spec": filled,
            "status": status,
        }

    def _token_metadata(self, call: Call, account: Json, spec: Json) -> Json:
        fields: Json = {f"f:{key}": {} for key in spec if key in ("audiences", "expirationSeconds", "boundObjectRef")}
        entry: Json = {
            "manager": call.manager,
            "operation": "Update",
            "apiVersion": "authentication.k8s.io/v1",
            "time": self._world.now(),
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": fields},
            "subresource": "token",
        }
        kept = {key: account["metadata"][key] for key in ("name", "namespace", "uid")}
        return {**kept, "creationTimestamp": self._world.now(), **({"managedFields": [entry]} if fields else {})}

    def _reference(self, namespace: str, reference: Any) -> Json | None:
        """The object that a token is bound to, with its uid; raises ApiError where it is not there."""
        if not reference:
            return None
        plural = {"Pod": "pods", "Secret": "secrets"}.get(str(reference.get("kind")))
        if plural is None:
            if reference.get("kind") == "Node":
                raise not_implemented("tokens bound to a Node")
            message = f"cannot bind token for serviceaccount to object of type {reference.get('kind')}"
            raise bad_request(message)
        live = self._storage.get(plural, (namespace, str(reference.get("name", ""))))
        target = BY_KEY[plural].target(str(reference.get("name", "")))
        if live is None:
            raise not_found(target)
        uid = live["metadata"]["uid"]
        if reference.get("uid") not in (None, "", uid):
            why = (
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. The "
                "object might have been deleted and then recreated"
            )
            raise conflict(target, why)
        return {"kind": reference["kind"], "name": live["metadata"]["name"], "uid": uid}


_TOPOLOGY = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
