"""The JSON Schema of playbooks, for editors: made from the models, with the verbs that exist and their parameters.

Owns no rule of its own; what a schema cannot say (lines, order, `recover` of what is contained) the loader says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from patchgap.playbook.language import Playbook
from patchgap.playbook.steps import first_paragraph
from patchgap.ports import Parameters
from patchgap.registry import Registry

_ONE_OR_MORE = ("severity", "data_scope", "environment", "privileges", "ecosystem", "on", "include")


class _Verb(Protocol):
    @property
    def parameters(self) -> type[Parameters]: ...


def json_schema(registry: Registry) -> dict[str, Any]:
    """The schema (draft 2020-12) of a playbook with this registry's verbs."""
    made = Playbook.model_json_schema(by_alias=True)
    defs = made["$defs"]
    defs.pop("Step")
    for model in (*defs.values(), made):
        model.pop("title", None)
        for name, field in model.get("properties", {}).items():
            model["properties"][name] = _field(name, field)
    steps = {
        "contain": _steps({v: tuple(by.values()) for v, by in registry.actions.items()}),
        "all_of": _steps({v: tuple(by.values()) for v, by in registry.checks.items()}),
    }
    recover = {"type": "string", "enum": sorted(registry.inverses())}
    defs["Tier"]["properties"]["contain"] |= {"items": steps["contain"]}
    defs["Verify"]["properties"]["all_of"] |= {"items": steps["all_of"]}
    made["properties"]["recover"] |= {"items": recover}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "patchgap playbook", **made}


def _field(name: str, field: Mapping[str, Any]) -> dict[str, Any]:
    """The field without what YAML never holds: null (an empty value is refused); a list of one may be the one."""
    kept = {k: v for k, v in field.items() if k not in ("title", "default", "examples")}
    options = [o for o in kept.pop("anyOf", []) if o.get("type") != "null"]
    if len(options) == 1:
        kept |= options[0]
    if name in _ONE_OR_MORE and kept.get("type") == "array":
        listed = {k: kept.pop(k) for k in ("type", "items", "minItems") if k in kept}
        kept["anyOf"] = [listed["items"], listed]
    return kept


def _steps(verbs: Mapping[str, tuple[_Verb, ...]]) -> dict[str, Any]:
    """A bare verb where nothing is required of it, or a mapping of the verb to its parameters."""
    bare = sorted(v for v, found in verbs.items() if not any(_required(one.parameters) for one in found))
    mappings = [
        {
            "type": "object",
            "description": first_paragraph(found[0]),
            "properties": {verb: _parameters(found[0].parameters)},
            "required": [verb],
            "additionalProperties": False,
        }
        for verb, found in sorted(verbs.items())
    ]
    return {"anyOf": [{"type": "string", "enum": bare}, *mappings]}


def _required(model: type[Parameters]) -> bool:
    return any(field.is_required() for field in model.model_fields.values())


def _parameters(model: type[Parameters]) -> dict[str, Any]:
    made = model.model_json_schema(by_alias=True)
    made.pop("title", None)
    made["properties"] = {name: _field(name, field) for name, field in made.get("properties", {}).items()}
    return made
