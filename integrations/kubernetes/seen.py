"""The fields of a workload or a node that a plan stands on: its images, and what of it the verb uses. Reads only."""

from __future__ import annotations

from integrations.kubernetes import canaries
from integrations.kubernetes.inventory import selector_of
from integrations.kubernetes.resources import Json
from patchgap.model.codec import canonical

_CONDITION = "node.kubernetes.io/"


def images(manifest: Json) -> dict[str, str]:
    """`container main`: its image, for each container of the template."""
    return {f"container {name}": image for name, image in sorted(canaries.images(manifest).items())}


def taints(node: Json) -> str:
    """A node's taints as JSON, without those of its condition, which come and go."""
    held = (node.get("spec") or {}).get("taints") or ()
    kept = ({k: t.get(k, "") for k in ("key", "value", "effect")} for t in held if not t["key"].startswith(_CONDITION))
    return canonical(sorted(kept, key=canonical)).decode()


def selector_and_images(manifest: Json) -> dict[str, str]:
    """`spec.selector` as JSON (what its pods are selected by) besides its images."""
    return {"spec.selector": canonical(selector_of(manifest)).decode(), **images(manifest)}
