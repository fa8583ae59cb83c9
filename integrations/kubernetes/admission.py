"""Admission policies that patchgap keeps: a policy, its binding and the ConfigMap of its parameters.

Owns the CEL that both policies share, written within what Kubernetes 1.30 and cel-python have in common, and the
order of the three objects: parameters first, binding last, so that nothing is refused by half a policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.kubernetes.resources import CONFIG_MAPS, POLICIES, POLICY_BINDINGS, Json

# A policy with parameters may be made only by one who may read any ConfigMap: the API server's rule.
PERMISSIONS = (
    "get,create,patch,delete admissionregistration.k8s.io/validatingadmissionpolicies",
    "get,create,patch,delete admissionregistration.k8s.io/validatingadmissionpolicybindings",
    "get,create,patch,delete core/configmaps in home",
)
_LISTS = ("containers", "initContainers", "ephemeralContainers")


@dataclass(frozen=True, slots=True)
class Policy:
    """What differs between policies. `rules` are the API's resource rules, `selector` a namespace selector."""

    name: str
    namespace: str  # of the ConfigMap
    labels: Mapping[str, str]
    data: Mapping[str, str]
    rules: Sequence[Json]
    variables: Sequence[tuple[str, str]]
    expression: str
    message: str
    message_expression: str
    selector: Json
    annotations: Mapping[str, str] = field(default_factory=dict)

    def manifests(self) -> tuple[dict[str, Any], ...]:
        """ConfigMap, policy and binding, in the order in which they are applied."""
        meta = {"name": self.name, "labels": dict(self.labels), "annotations": dict(self.annotations)}
        if not self.annotations:
            del meta["annotations"]
        parameters = {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": {**meta, "namespace": self.namespace},
            "data": dict(self.data),
        }
        return (
            parameters,
            {"apiVersion": POLICIES.api_version, "kind": POLICIES.kind, "metadata": meta, "spec": self._spec()},
            {
                "apiVersion": POLICY_BINDINGS.api_version,
                "kind": POLICY_BINDINGS.kind,
                "metadata": meta,
                "spec": self._binding(),
            },
        )

    def _spec(self) -> dict[str, Any]:
        return {
            "failurePolicy": "Fail",
            "paramKind": {"apiVersion": CONFIG_MAPS.api_version, "kind": CONFIG_MAPS.kind},
            "matchConstraints": {"resourceRules": list(self.rules)},
            "variables": [{"name": n, "expression": e} for n, e in self.variables],
            "validations": [
                {
                    "expression": self.expression,
                    "message": self.message,
                    "messageExpression": self.message_expression,
                    "reason": "Forbidden",
                }
            ],
        }

    def _binding(self) -> dict[str, Any]:
        # Without its parameters the policy is off, not a refusal of everything: one deleted ConfigMap must not stop
        # a cluster. `policy_in_sync` tells that it is missing.
        return {
            "policyName": self.name,
            "validationActions": ["Deny"],
            "paramRef": {"name": self.name, "namespace": self.namespace, "parameterNotFoundAction": "Allow"},
            "matchResources": {"namespaceSelector": self.selector},
        }


def rule(group: str, operations: Sequence[str], *resources: str) -> dict[str, Any]:
    """A resource rule over v1 of a group."""
    return {
        "apiGroups": [group],
        "apiVersions": ["v1"],
        "operations": list(operations),
        "resources": list(resources),
        "scope": "Namespaced",
    }


def spec_of(root: str) -> str:
    """CEL: the pod spec of any workload kind, by its shape; an empty map for a Scale."""
    return (
        f"has({root}.template) ? {root}.template.spec : "
        f"(!has({root}.spec) ? {{}} : "
        f"(has({root}.spec.jobTemplate) ? {root}.spec.jobTemplate.spec.template.spec : "
        f"(has({root}.spec.template) ? {root}.spec.template.spec : {root}.spec)))"
    )


def images_of(spec: str) -> str:
    """CEL: every image of a pod spec, in each list of containers."""
    return " + ".join(f"(has({spec}.{n}) ? {spec}.{n}.map(c, has(c.image) ? c.image : '') : [])" for n in _LISTS)


IMAGES: tuple[tuple[str, str], ...] = (
    ("spec", f"request.operation == 'DELETE' ? {{}} : ({spec_of('object')})"),
    ("images", images_of("variables.spec")),
    ("oldSpec", f"request.operation == 'UPDATE' ? ({spec_of('oldObject')}) : {{}}"),
    ("oldImages", images_of("variables.oldSpec")),
)


def by_digest(prefix: str) -> str:
    """CEL: whether image `i` names one of the parameters' digests under that prefix."""
    return f"params.data.exists(k, k.startsWith('{prefix}.') && i.endsWith('@' + params.data[k]))"


def entries(prefix: str, values: Iterable[str]) -> dict[str, str]:
    """Parameters under a prefix: a ConfigMap's key allows no colon or slash, so a digest of the value names it."""
    return {f"{prefix}.{hashlib.sha256(v.encode()).hexdigest()[:16]}": v for v in sorted(values)}
