"""Pods from templates: their hash, their document, and counts given as numbers or percentages.

Owns what the workload controllers share about templates.
"""

from __future__ import annotations

import json
import math
from typing import Any

from integrations.rehearsal.controllers.work import owner_reference
from integrations.rehearsal.document import Json, clone, without_none

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
HASH_LABEL = "pod-template-hash"


def template_hash(template: Json) -> str:
    """A short hash of a template, in the letters that real ones use (FNV-1a of canonical JSON)."""
    value = 0x811C9DC5
    for byte in json.dumps(template, sort_keys=True, separators=(",", ":")).encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(value))


def pod_from(owner: Json, template: Json, labels: Json | None = None) -> Json:
    """A pod document as a controller creates it from a template."""
    metadata = template.get("metadata") or {}
    kept = without_none((key, metadata.get(key)) for key in ("labels", "annotations", "finalizers"))
    if labels:
        kept["labels"] = {**(kept.get("labels") or {}), **labels}
    kept["generateName"] = f"{owner['metadata']['name']}-"
    kept["ownerReferences"] = [owner_reference(owner)]
    return {"metadata": clone(kept), "spec": clone(template["spec"])}


def count(value: Any, total: int, *, up: bool) -> int:
    """A number, or a percentage of a total rounded up or down."""
    if isinstance(value, str) and value.endswith("%"):
        share = int(value[:-1]) * total / 100
        return math.ceil(share) if up else math.floor(share)
    return int(value)
