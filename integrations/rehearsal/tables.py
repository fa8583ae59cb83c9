"""The other forms of an answer: tables and metadata alone, as the Accept header asks.

A table of a kind whose columns are not known is 501.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from integrations.rehearsal.columns import COLUMNS
from integrations.rehearsal.document import Json
from integrations.rehearsal.resources import Resource
from integrations.rehearsal.status import ApiError, not_implemented

_AS = re.compile(r"as=([A-Za-z]+);v=v1;g=meta\.k8s\.io|g=meta\.k8s\.io;v=v1;as=([A-Za-z]+)")
_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


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


def table(resource: Resource, items: list[Json], metadata: Json, now: float, included: str = "") -> Json:
    """The table that a real server prints of these at that time; `included` says what of an object stands beside its
    cells: its metadata where it is not said. Raises ApiError 501 for a kind whose columns are not known."""
    if (columns := COLUMNS.get(resource.key)) is None:
        raise not_implemented(f"tables of {resource.key}")
    forms: dict[str, Callable[[Json], Json | None]] = {"Object": lambda item: item, "None": lambda _: None}
    show = forms.get(included, partial)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [column.definition() for column in columns],
        "rows": [{"cells": [column.cell(item, now) for column in columns], "object": show(item)} for item in items],
    }


def is_printed(resource: Resource, form: Form) -> bool:
    """Whether that form is a table, and the answer is to be one."""
    return form.name == "Table" and (resource.key in COLUMNS or not form.optional)
