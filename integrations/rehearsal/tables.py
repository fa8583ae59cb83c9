"""The other forms of an answer: tables and metadata alone, as the Accept header asks.

Owns the printed columns of pods and of Secrets (whose values no table holds); a table of any other kind is 501.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from integrations.rehearsal.document import Json, dig
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.status import ApiError, not_implemented

_AS = re.compile(r"as=([A-Za-z]+);v=v1;g=meta\.k8s\.io|g=meta\.k8s\.io;v=v1;as=([A-Za-z]+)")
_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_NAME_WORDS = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may "
    "allow a client to request the generation of an appropriate name automatically. Name is primarily intended "
    "for creation idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
_COLUMNS = (
    ("Name", "name", _NAME_WORDS, 0),
    ("Ready", "", "The aggregate readiness state of this pod for accepting traffic.", 0),
    ("Status", "", "The aggregate status of the containers in this pod.", 0),
    ("Restarts", "", "The number of times the containers in this pod have been restarted.", 0),
    ("Age", "", "CreationTimestamp is a timestamp representing the server time when this object was created.", 0),
    ("IP", "", "podIP address allocated to the pod.", 1),
    ("Node", "", "NodeName indicates in which node this pod is scheduled.", 1),
    ("Nominated Node", "", "nominatedNodeName is set only when this pod preempts other pods on the node.", 1),
    ("Readiness Gates", "", "If specified, all readiness gates will be evaluated for pod readiness.", 1),
)


_SECRET_COLUMNS = (
    ("Name", "name", _NAME_WORDS, 0),
    (
        "Type",
        "",
        (
            "Used to facilitate programmatic handling of secret data. More info: "
            "https://kubernetes.io/docs/concepts/configuration/secret/#secret-types"
        ),
        0,
    ),
    (
        "Data",
        "",
        (
            "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The serialized "
            "form of the secret data is a base64 encoded string, representing the arbitrary (possibly non-string) data value "
            "here. Described in https://tools.ietf.org/html/rfc4648#section-4"
        ),
        0,
    ),
    _COLUMNS[4],
)


@dataclass(frozen=True)
class Form:
    """The form asked for: `name` is empty for the object itself."""

    name: str = ""
    optional: bool = False


def asked_form(accept: str) -> Form:
    """The form that an Accept header asks for; raises ApiError 406 where JSON is not accepted."""
    choices = [choice.strip() for choice in accept.split(",") if choice.strip()]
    plain = any(re.match(r"(application/json|\*/\*|application/\*)(;q=[0-9.]+)?(;stream=watch)?$", c) for c in choices)
    for choice in choices:
        found = _AS.search(choice)
        if found and choice.startswith("application/json"):
            name = found[1] or found[2]
            if name in _FORMS:
                return Form(name, optional=plain)
    if choices and not plain:
        message = (
            "only the following media types are accepted: application/json, application/yaml, "
            "application/vnd.kubernetes.protobuf"
        )
        raise ApiError(406, "NotAcceptable", message, {})
    return Form()


def partial(document: Json) -> Json:
    """An object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": document["metadata"]}


def partial_list(items: list[Json], metadata: Json) -> Json:
    """A list of metadata alone."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "items": [partial(item) for item in items],
    }


def table(resource: Resource, items: list[Json], metadata: Json, age: dict[str, str]) -> Json:
    """A table of pods or of Secrets; `age` gives each uid's printed age."""
    if resource.kind not in ("Pod", "Secret"):
        raise not_implemented(f"tables of {resource.key}")
    printed, cells = (_COLUMNS, _cells) if resource.kind == "Pod" else (_SECRET_COLUMNS, _cells_of_secret)
    columns = [
        {"name": name, "type": "string", "format": form, "description": words, "priority": priority}
        for name, form, words, priority in printed
    ]
    rows = [{"cells": cells(item, age[item["metadata"]["uid"]]), "object": partial(item)} for item in items]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    }


def _cells_of_secret(secret: Json, age: str) -> list[Any]:
    return [secret["metadata"]["name"], secret.get("type", "Opaque"), len(secret.get("data") or ()), age]


def _cells(pod: Json, age: str) -> list[Any]:
    statuses = dig(pod, "status", "containerStatuses") or []
    ready = sum(1 for one in statuses if one.get("ready"))
    restarts = sum(int(one.get("restartCount", 0)) for one in statuses)
    total = len(pod["spec"]["containers"])
    address = dig(pod, "status", "podIP") or "<none>"
    node = pod["spec"].get("nodeName") or "<none>"
    return [
        pod["metadata"]["name"],
        f"{ready}/{total}",
        _word(pod, statuses),
        str(restarts),
        age,
        address,
        node,
        "<none>",
        "<none>",
    ]


def _word(pod: Json, statuses: list[Json]) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for one in statuses:
        reason = dig(one, "state", "waiting", "reason") or dig(one, "state", "terminated", "reason")
        if reason:
            return str(reason)
    return str(dig(pod, "status", "phase"))


def printed_age(seconds: float) -> str:
    """A duration as the API server prints it."""
    whole = max(0, int(seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= 2 * length:
            return f"{whole // length}{unit}"
    return f"{whole}s"
