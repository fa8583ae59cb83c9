"""The admission policy of a freeze: what it refuses, and whom and what it admits.

Owns the CEL and the rules of the reach. It does not know when a freeze stands, or how its objects are stored.
"""

from __future__ import annotations

from typing import Any

from integrations.kubernetes import admission, standing
from integrations.kubernetes.reach import settings_of
from integrations.kubernetes.resources import of_kind
from patchgap.model.plan import Target
from patchgap.ports import Situation

_WRITES = ("CREATE", "UPDATE", "DELETE")
_CORE = ("pods", "pods/ephemeralcontainers", "replicationcontrollers", "replicationcontrollers/scale")
_APPS = (
    "deployments",
    "deployments/scale",
    "statefulsets",
    "statefulsets/scale",
    "replicasets",
    "replicasets/scale",
    "daemonsets",
)
_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")
_ADMITTED = (
    "request.userInfo.username == params.data.identity"
    " || request.userInfo.username.startsWith('system:serviceaccount:kube-system:')"
    " || request.userInfo.username == 'system:kube-controller-manager'"
    " || request.userInfo.username == 'system:kube-scheduler'"
    " || (request.resource.resource == 'pods' && request.userInfo.username.startsWith('system:node:'))"
)
_REMADE = (  # what a controller made it makes again: deleting it changes nothing that was asked for
    "request.operation == 'DELETE' && has(oldObject.metadata.ownerReferences)"
    " && oldObject.metadata.ownerReferences.exists(o, has(o.controller) && o.controller)"
)
_UNCHANGED = "request.operation == 'UPDATE' && has(object.spec) && has(oldObject.spec) && object.spec == oldObject.spec"
_MEND = (  # every image is patched, or stood there before and is not affected: a sidecar must not lock out the mend
    f"request.operation == 'UPDATE' && variables.images.exists(i, {admission.by_digest('patched')})"
    f" && variables.images.all(i, {admission.by_digest('patched')}"
    f" || (i in variables.oldImages && !({admission.by_digest('affected')})))"
)
_VARIABLES = (
    *admission.IMAGES,
    ("admitted", _ADMITTED),
    ("remade", _REMADE),
    ("unchanged", _UNCHANGED),
    ("mend", _MEND),
)


def manifests(situation: Situation, target: Target, identity: str) -> tuple[dict[str, Any], ...]:
    """The objects of a freeze of that namespace or workload, which admits that identity."""
    whole = target.kind == "Namespace"
    parts = ("freeze", target.namespace) if whole else ("freeze", target.namespace, target.kind, target.name)
    incident = situation.incident
    data = {
        "identity": identity,
        **admission.digests("patched", situation.patched),
        **admission.digests("affected", situation.affected_digests - situation.patched),
    }
    said = f"changes are frozen by incident {incident}; updates to its patched images are admitted"
    exempt = "" if whole else f"request.name != '{target.name}' || "
    return admission.Policy(
        name=standing.object_name(incident, *parts),
        namespace=settings_of(situation).namespace,
        labels=standing.labels(incident, situation.owner),
        data=data,
        rules=_rules(target),
        variables=_VARIABLES,
        expression=f"{exempt}variables.admitted || variables.remade || variables.unchanged || variables.mend",
        message=said,
        message_expression=f"'{said}: ' + request.operation + ' ' + request.resource.resource",
        selector={"matchLabels": {"kubernetes.io/metadata.name": target.namespace}},
    ).manifests()


def _rules(target: Target) -> tuple[dict[str, Any], ...]:
    if target.kind == "Namespace":
        return (
            admission.rule("", _WRITES, *_CORE),
            admission.rule("apps", _WRITES, *_APPS),
            admission.rule("batch", _WRITES, "jobs", "cronjobs"),
        )
    resource = of_kind(target.kind)
    scale = (f"{resource.plural}/scale",) if target.kind in _SCALED else ()
    return (admission.rule(resource.group, _WRITES, resource.plural, *scale),)
