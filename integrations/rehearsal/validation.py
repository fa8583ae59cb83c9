"""Whether a document may be stored: types, unknown fields, required fields, names, and what may not change.

Owns the checks and their words; knows nothing of storage or admission.
Decoding problems are 400 (as the server's decoder words them), the rest are causes of a 422.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.schema import Type
from integrations.rehearsal.status import ApiError, Cause, bad_request

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN_WORDS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_WORDS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_VALUE_WORDS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_LONGEST_LABEL = 63
_PATH_SEGMENT_NAMES = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})
_GO_TYPES = {"string": "string", "integer": "int64", "number": "float64", "boolean": "bool"}
_UNCHECKED = frozenset({"status", "managedFields"})


def quoted(value: Any) -> str:
    """A value as validation messages print it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@dataclass
class Decoded:
    """What decoding found: unknown fields by path (for warnings or refusal)."""

    unknown: list[str] = field(default_factory=list)


def decode(document: Json, kind: Type, resource: Resource) -> tuple[Json, Decoded]:
    """The document as the server's types read it; raises ApiError 400 for a value of a wrong type.

    Unknown fields are left out and named; nulls are left out, as a decoder does.
    """
    found = Decoded()
    decoded = _decode(document, kind, "", found, resource)
    return decoded, found


def _decode(value: Any, kind: Type, path: str, found: Decoded, resource: Resource) -> Any:
    if kind.is_struct:
        _expect(isinstance(value, dict), value, "object", path, resource)
        kept: Json = {}
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            if name not in kind.fields:
                found.unknown.append(here)
            elif inner is not None:
                kept[name] = _decode(inner, kind.field(name), here, found, resource)
        return kept
    if kind.is_map:
        _expect(isinstance(value, dict), value, "object", path, resource)
        return {k: _decode(v, kind.field(k), f"{path}.{k}", found, resource) for k, v in value.items()}
    if kind.is_list:
        _expect(isinstance(value, list), value, "array", path, resource)
        item = kind.item()
        return [_decode(v, item, f"{path}[{i}]", found, resource) for i, v in enumerate(value)]
    _scalar(value, kind, path, resource)
    return value


def _scalar(value: Any, kind: Type, path: str, resource: Resource) -> None:
    allowed = kind.node.get("one") or [kind.node.get("t")]
    if allowed in ([None], ["object"]):
        return
    actual = {str: "string", bool: "boolean", int: "integer", float: "number"}.get(type(value), "object")
    fits = actual in allowed or (actual == "integer" and "number" in allowed)
    _expect(fits, value, str(allowed[0]), path, resource)


def _expect(holds: bool, value: Any, wanted: str, path: str, resource: Resource) -> None:
    if holds:
        return
    actual = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    got = actual.get(type(value), "null")
    last = path.replace("[", ".").rstrip("]").split(".")[-1]
    message = (
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: json: cannot '
        f"unmarshal {got} into Go struct field {resource.kind}.{path or last} of type "
        f"{_GO_TYPES.get(wanted, wanted)}"
    )
    raise bad_request(message)


def strict_failure(resource: Resource, unknown: list[str]) -> ApiError:
    """The refusal of unknown fields under fieldValidation=Strict."""
    listed = ", ".join(f'unknown field "{name}"' for name in unknown)
    message = (
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f"strict decoding error: {listed}"
    )
    return bad_request(message)


def problems(document: Json, kind: Type, resource: Resource) -> list[Cause]:
    """Every reason why the document may not be stored."""
    found = [*_metadata(document, resource)]
    found += [cause for cause in _fields(document, kind, "") if cause not in found]
    found += _semantic(document, resource)
    return found


def _metadata(document: Json, resource: Resource) -> Iterator[Cause]:
    metadata = document["metadata"]
    name = metadata.get("name", "")
    if not name:
        yield Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")
    elif resource.kind not in _PATH_SEGMENT_NAMES:
        pattern, words = (
            (_LABEL, _LABEL_WORDS) if resource.kind in ("Namespace", "Service") else (_SUBDOMAIN, _SUBDOMAIN_WORDS)
        )
        if pattern.fullmatch(name) is None:
            yield Cause("FieldValueInvalid", f"Invalid value: {quoted(name)}: {words}", "metadata.name")
    yield from _labels(metadata.get("labels") or {}, "metadata.labels")


def _labels(labels: Json, path: str) -> Iterator[Cause]:
    for value in labels.values():
        if not isinstance(value, str) or len(value) > _LONGEST_LABEL or _VALUE.fullmatch(value) is None:
            yield Cause("FieldValueInvalid", f"Invalid value: {quoted(value)}: {_VALUE_WORDS}", path)


def _fields(value: Any, kind: Type, path: str) -> Iterator[Cause]:
    if isinstance(value, list):
        item = kind.item()
        for place, inner in enumerate(value):
            yield from _fields(inner, item, f"{path}[{place}]")
    elif isinstance(value, dict):
        yield from _missing(value, kind, path)
        for name, inner in value.items():
            if not (not path and name in _UNCHECKED) and name != "managedFields":
                yield from _fields(inner, kind.field(name), f"{path}.{name}" if path else name)
    elif "enum" in kind.node and value not in kind.node["enum"] and value != "":
        listed = ", ".join(quoted(choice) for choice in _in_order(kind.node["enum"]))
        message = f"Unsupported value: {quoted(value)}: supported values: {listed}"
        yield Cause("FieldValueNotSupported", message, path)


def _in_order(choices: list[str]) -> list[str]:
    return ["Ingress", "Egress"] if sorted(choices) == ["Egress", "Ingress"] else choices


def _missing(value: Json, kind: Type, path: str) -> Iterator[Cause]:
    for name in kind.required:
        if value.get(name) in (None, "", []) and not (kind.field(name).is_list and name == "rules"):
            yield Cause("FieldValueRequired", "Required value", f"{path}.{name}" if path else name)


def _semantic(document: Json, resource: Resource) -> Iterator[Cause]:
    spec = document.get("spec") or {}
    if resource.kind == "Pod":
        yield from _containers(spec, "spec")
    elif isinstance(spec.get("template"), dict):
        yield from _workload(spec, resource)
    elif resource.kind == "CronJob":
        inner = dig(spec, "jobTemplate", "spec", "template", "spec") or {}
        yield from _containers(inner, "spec.jobTemplate.spec.template.spec")


def _workload(spec: Json, resource: Resource) -> Iterator[Cause]:
    labels = dig(spec, "template", "metadata", "labels") or {}
    selector = spec.get("selector") or {}
    match = selector.get("matchLabels") or {}
    if resource.kind != "Job" and not selector.get("matchExpressions"):
        if not match:
            message = "Invalid value: {}: empty selector is invalid for " + resource.kind.lower()
            yield Cause("FieldValueInvalid", message, "spec.selector")
        elif any(labels.get(key) != value for key, value in match.items()):
            message = f"Invalid value: {quoted(labels)}: `selector` does not match template `labels`"
            yield Cause("FieldValueInvalid", message, "spec.template.metadata.labels")
    if isinstance(spec.get("replicas"), int) and spec["replicas"] < 0:
        message = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        yield Cause("FieldValueInvalid", message, "spec.replicas")
    template = dig(spec, "template", "spec") or {}
    yield from _containers(template, "spec.template.spec")
    yield from _restart(template, resource)


def _restart(template: Json, resource: Resource) -> Iterator[Cause]:
    policy = template.get("restartPolicy", "Always")
    if resource.kind == "Job" and policy == "Always":
        message = 'Unsupported value: "Always": supported values: "OnFailure", "Never"'
        yield Cause("FieldValueNotSupported", message, "spec.template.spec.restartPolicy")
    elif resource.kind != "Job" and policy not in ("Always", None):
        message = f'Unsupported value: {quoted(policy)}: supported values: "Always"'
        yield Cause("FieldValueNotSupported", message, "spec.template.spec.restartPolicy")


def _containers(spec: Json, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for place, one in enumerate(spec.get(key) or ()):
            here = f"{path}.{key}[{place}]"
            if not one.get("image"):
                yield Cause("FieldValueRequired", "Required value", f"{here}.image")
            name = one.get("name", "")
            if name in seen:
                yield Cause("FieldValueDuplicate", f"Duplicate value: {quoted(name)}", f"{here}.name")
            seen.add(name)


_IMMUTABLE: dict[str, tuple[tuple[str, ...], ...]] = {
    "ConfigMap": (),
    "DaemonSet": (("spec", "selector"),),
    "Deployment": (("spec", "selector"),),
    "Job": (("spec", "selector"), ("spec", "template"), ("spec", "completionMode")),
    "ReplicaSet": (("spec", "selector"),),
    "Secret": (("type",),),
}
_POD_MUTABLE = frozenset({"tolerations", "activeDeadlineSeconds", "terminationGracePeriodSeconds"})
_SET_MUTABLE = frozenset(
    [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ]
)


def update_problems(old: Json, new: Json, resource: Resource) -> Iterator[Cause]:
    """What an update changes that may not be changed."""
    for path in _IMMUTABLE.get(resource.kind, ()):
        before, after = dig(old, *path), dig(new, *path)
        if before != after:
            yield Cause("FieldValueInvalid", f"Invalid value: {quoted(after)}: field is immutable", ".".join(path))
    if resource.kind in ("ConfigMap", "Secret") and old.get("immutable") and old.get("data") != new.get("data"):
        yield Cause("FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set", "data")
    if resource.kind == "Pod" and _pod_core(old) != _pod_core(new):
        message = (
            "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
            "previously negative)"
        )
        yield Cause("FieldValueForbidden", message, "spec")
    if resource.kind == "StatefulSet" and _set_core(old) != _set_core(new):
        message = (
            "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
            "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
            "'minReadySeconds' are forbidden"
        )
        yield Cause("FieldValueForbidden", message, "spec")
    if resource.kind.endswith("RoleBinding") and old.get("roleRef") != new.get("roleRef"):
        message = f"Invalid value: {quoted(new.get('roleRef'))}: cannot change roleRef"
        yield Cause("FieldValueInvalid", message, "roleRef")


def _pod_core(pod: Json) -> Json:
    spec = {k: v for k, v in (pod.get("spec") or {}).items() if k not in _POD_MUTABLE}
    for key in ("containers", "initContainers"):
        spec[key] = [{k: v for k, v in one.items() if k != "image"} for one in spec.get(key) or ()]
    return spec


def _set_core(workload: Json) -> Json:
    return {k: v for k, v in (workload.get("spec") or {}).items() if k not in _SET_MUTABLE}
