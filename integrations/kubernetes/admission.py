"""Admission policies that patchgap keeps: a policy, its binding and the ConfigMap of its parameters.

Owns the CEL that both policies share, written within what Kubernetes 1.30 and cel-python have in common, and the
order of the three objects: parameters first, binding last, so that nothing is refused by half a policy.
"""

from __future__ import annotations

import hashlib
import re
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
PARAMETERS_OF = "patchgap.dev/parameters-of"  # on ConfigMaps that a policy takes together
_BEFORE = "@sha256:"  # what an image that is named by digest ends with, before the 64 digits
_PATTERN = re.compile(r"[a-z0-9.*?!\[\]-]+")
_AS_EXPRESSION = {"*": ".*", "?": ".", ".": "[.]", "!": "^"}
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
    beyond: Sequence[str] = ()  # patterns of namespaces that it never asks about
    shards: Mapping[str, Mapping[str, str]] | None = None  # more parameters by their name's end; None: never any

    def manifests(self) -> tuple[dict[str, Any], ...]:
        """ConfigMaps, policy and binding, in the order in which they are applied: the shards first, so that what moves
        into one is in it before it leaves the first."""
        meta = {"name": self.name, "labels": dict(self.labels), "annotations": dict(self.annotations)}
        if not self.annotations:
            del meta["annotations"]
        return (
            *(self._parameters(meta, f"{self.name}-{end}", data) for end, data in sorted((self.shards or {}).items())),
            self._parameters(meta, self.name, self.data),
            {"apiVersion": POLICIES.api_version, "kind": POLICIES.kind, "metadata": meta, "spec": self._spec()},
            {
                "apiVersion": POLICY_BINDINGS.api_version,
                "kind": POLICY_BINDINGS.kind,
                "metadata": meta,
                "spec": self._binding(),
            },
        )

    def _parameters(self, meta: Json, name: str, data: Mapping[str, str]) -> dict[str, Any]:
        chosen = {PARAMETERS_OF: parameters_of(self.name)} if self.shards is not None else {}
        return {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": {
                **meta,
                "name": name,
                "labels": {**meta["labels"], **chosen},
                "namespace": self.namespace,
            },
            "data": dict(data),
        }

    def _spec(self) -> dict[str, Any]:
        return {
            "failurePolicy": "Fail",
            "paramKind": {"apiVersion": CONFIG_MAPS.api_version, "kind": CONFIG_MAPS.kind},
            "matchConstraints": {"resourceRules": list(self.rules)},
            **({"matchConditions": [_beyond(self.beyond)]} if self.beyond else {}),
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
        # a cluster. `policy_in_sync` tells that it is missing. Of several ConfigMaps each is asked, and all must admit.
        chosen: dict[str, Any] = (
            {"name": self.name}
            if self.shards is None
            else {"selector": {"matchLabels": {PARAMETERS_OF: parameters_of(self.name)}}}
        )
        return {
            "policyName": self.name,
            "validationActions": ["Deny"],
            "paramRef": {**chosen, "namespace": self.namespace, "parameterNotFoundAction": "Allow"},
            "matchResources": {"namespaceSelector": self.selector},
        }


def _beyond(patterns: Sequence[str]) -> dict[str, str]:
    """A match condition by pattern (`pay-*`): it holds for namespaces that are made later too. A pattern with letters that
    no namespace has matches none."""
    own = (p for p in sorted(patterns) if _PATTERN.fullmatch(p))
    names = "|".join("".join(_AS_EXPRESSION.get(c, c) for c in p) for p in own)
    return {"name": "not-protected", "expression": f"!request.namespace.matches('^({names})$')"}


def parameters_of(policy: str) -> str:
    """The label's value for a policy of that name: a label holds 63 letters, a name more."""
    return hashlib.sha256(policy.encode()).hexdigest()[:16]


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
    """CEL: whether image `i` names one of the parameters' digests under that prefix. A look-up, not a search: its cost is
    the same for one digest and for thousands."""
    return f"(i.contains('{_BEFORE}') && ('{prefix}.' + i.substring(i.lastIndexOf('{_BEFORE}') + {len(_BEFORE)})) in params.data)"


def digests(prefix: str, values: Iterable[str]) -> dict[str, str]:
    """Parameters that `by_digest` looks up: a ConfigMap's key allows no colon."""
    return {f"{prefix}.{v.partition(':')[2]}": v for v in sorted(values)}


def entries(prefix: str, values: Iterable[str]) -> dict[str, str]:
    """Parameters under a prefix: a ConfigMap's key allows no colon or slash, so a digest of the value names it."""
    return {f"{prefix}.{hashlib.sha256(v.encode()).hexdigest()[:16]}": v for v in sorted(values)}
