"""The fields of a workload that a plan stands on: its images, and what of it the verb uses. Reads only."""

from __future__ import annotations

from integrations.kubernetes import canaries
from integrations.kubernetes.inventory import selector_of
from integrations.kubernetes.resources import Json
from patchgap.model.codec import canonical


def images(manifest: Json) -> dict[str, str]:
    """`container main`: its image, for each container of the template."""
    return {f"container {name}": image for name, image in sorted(canaries.images(manifest).items())}


def selector_and_images(manifest: Json) -> dict[str, str]:
    """`spec.selector` as JSON (what its pods are selected by) besides its images."""
    return {"spec.selector": canonical(selector_of(manifest)).decode(), **images(manifest)}
