"""What the inventory reads of an object, and nothing else of it: what a large cluster's objects are cut down to.

Owns which fields those are; every module beside this one may read no other. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from integrations.kubernetes.inventory.families import controller_of
from integrations.kubernetes.resources import Json
from patchgap.settings import KubernetesSettings

Keep = Callable[[Json], Json]
_POD = ("serviceAccountName", "automountServiceAccountToken", "hostNetwork", "hostPID", "hostIPC", "nodeName",
        "restartPolicy")  # fmt: skip
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
_SPEC = ("replicas", "selector", "suspend", "parallelism", "type")
_STATUS = ("phase", "desiredNumberScheduled", "currentRevision", "updateRevision")
_WHOLE = ("apiVersion", "kind", "rules", "roleRef", "subjects", "automountServiceAccountToken")
_OWNER = ("kind", "name", "uid", "controller")


def keeping(settings: KubernetesSettings) -> Keep:
    """Cuts an object down; the settings say which labels and annotations are read."""
    keys = frozenset(
        {
            settings.environment_label,
            settings.region_label,
            settings.classification_label,
            settings.writes_to_annotation,
            settings.internet_exposed_label,
        }
    )
    return lambda manifest: _object(manifest, keys)


def _object(manifest: Json, keys: frozenset[str]) -> dict[str, Any]:
    made = _some(manifest, _WHOLE)
    is_pod = manifest.get("kind") == "Pod"
    made["metadata"] = _metadata(manifest, keys, labels=is_pod)
    if is_pod:
        made["spec"] = _pod(manifest.get("spec") or {})
    elif spec := _spec(manifest.get("spec") or {}, keys):
        made["spec"] = spec
    if status := _status(manifest.get("status") or {}, is_pod=is_pod):
        made["status"] = status
    if template := _template(((manifest.get("data") or {}).get("spec") or {}).get("template"), keys):
        made["data"] = {"spec": {"template": template}}  # a ControllerRevision's
    return made


def _metadata(manifest: Json, keys: frozenset[str], *, labels: bool) -> dict[str, Any]:
    """Name and identity, the labels and annotations that are read (`labels`: every label), and the controller."""
    meta = manifest.get("metadata") or {}
    made = _some(meta, ("name", "namespace", "uid"))
    for part in ("labels", "annotations"):
        held = meta.get(part) or {}
        if kept := dict(held) if labels and part == "labels" else _some(held, keys):
            made[part] = kept
    if reference := controller_of({"metadata": meta}):
        made["ownerReferences"] = [_some(reference, _OWNER)]
    return made


def _spec(spec: Json, keys: frozenset[str]) -> dict[str, Any]:
    made = _some(spec, _SPEC)
    if template := _template(spec.get("template"), keys):
        made["template"] = template
    if job := _template(((spec.get("jobTemplate") or {}).get("spec") or {}).get("template"), keys):
        made["jobTemplate"] = {"spec": {"template": job}}
    if backend := _backend(spec.get("defaultBackend")):
        made["defaultBackend"] = backend
    if rules := [found for one in spec.get("rules") or () if (found := _rule(one))]:
        made["rules"] = rules
    return made


def _template(template: Any, keys: frozenset[str]) -> dict[str, Any]:
    if not isinstance(template, Mapping):
        return {}
    return {"metadata": _metadata(template, keys, labels=True), "spec": _pod(template.get("spec") or {})}


def _pod(spec: Json) -> dict[str, Any]:
    made = _some(spec, _POD)
    for part in _CONTAINERS:
        if held := spec.get(part):
            made[part] = [_container(one) for one in held]
    return made


def _container(container: Json) -> dict[str, Any]:
    made = _some(container, ("name", "image"))
    context = container.get("securityContext") or {}
    kept: dict[str, Any] = {"privileged": True} if context.get("privileged") else {}
    if added := (context.get("capabilities") or {}).get("add"):
        kept["capabilities"] = {"add": added}
    return {**made, "securityContext": kept} if kept else made


def _status(status: Json, *, is_pod: bool) -> dict[str, Any]:
    made = _some(status, _STATUS)
    for part in _STATUSES if is_pod else ():
        if held := status.get(part):
            made[part] = [{**_some(one, ("name", "imageID")), "state": _state(one.get("state") or {})} for one in held]
    if not is_pod and (held := status.get("conditions")):
        over = [_some(one, ("type", "status")) for one in held if one.get("type") in {"Complete", "Failed"}]
        made |= {"conditions": over} if over else {}
    return made


def _state(state: Json) -> dict[str, Any]:
    """The state's name, and with which code it ended: its times and messages change and are not read."""
    return {name: _some(told or {}, ("exitCode",)) for name, told in state.items() if name != "waiting"}


def _rule(rule: Json) -> dict[str, Any]:
    backends = [_backend(path.get("backend")) for path in (rule.get("http") or {}).get("paths") or ()]
    return {"http": {"paths": [{"backend": one} for one in backends if one]}} if any(backends) else {}


def _backend(backend: Any) -> dict[str, Any]:
    name = ((backend or {}).get("service") or {}).get("name")
    return {"service": {"name": name}} if name else {}


def _some(held: Json, names: Iterable[str]) -> dict[str, Any]:
    return {name: held[name] for name in names if name in held}
