"""Which Secrets a workload uses, and how: by its containers' environment, its volumes, and to pull its images.

Owns the reading of a pod's spec for it. It reads no Secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from integrations.kubernetes.resources import Json, pod_template

_LISTS = ("containers", "initContainers", "ephemeralContainers")


def secrets_used(manifest: Json) -> dict[str, frozenset[str]]:
    """The name of each Secret that the manifest's pods use, with the ways (`env`, `envFrom`, `volume`, `imagePull`), and
    `optional` where the pods run without it."""
    found: dict[str, set[str]] = {}
    for name, way, optional in _uses(pod_template(manifest).get("spec") or {}):
        found.setdefault(name, set()).add(way)
        if not optional:
            found[name].add("")
    return {
        n: frozenset((ways - {""}) | (set() if "" in ways else {"optional"})) for n, ways in sorted(found.items()) if n
    }


def _uses(spec: Json) -> Iterator[tuple[str, str, bool]]:
    for container in (c for part in _LISTS for c in spec.get(part) or ()):
        for one in container.get("env") or ():
            yield _named((one.get("valueFrom") or {}).get("secretKeyRef"), "env")
        for one in container.get("envFrom") or ():
            yield _named(one.get("secretRef"), "envFrom")
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume)
    for one in spec.get("imagePullSecrets") or ():
        yield _named(one, "imagePull")


def _of_volume(volume: Json) -> Iterator[tuple[str, str, bool]]:
    """Also those of other kinds of volumes: each of them names its Secret as `secretName` or `…SecretRef`."""
    for source in volume.values():
        if not isinstance(source, Mapping):
            continue
        yield str(source.get("secretName") or ""), "volume", bool(source.get("optional"))
        for key in ("secretRef", "nodePublishSecretRef"):
            yield _named(source.get(key), "volume")
        for part in source.get("sources") or ():
            yield _named(part.get("secret"), "volume")


def _named(reference: Any, way: str) -> tuple[str, str, bool]:
    """The Secret that a reference names; "" for none."""
    if not isinstance(reference, Mapping):
        return "", way, True
    return str(reference.get("name") or ""), way, bool(reference.get("optional"))
