"""What would scale a workload up again: autoscalers, KEDA, and whatever controls the workload itself.

Owns the finding and the words. Pausing KEDA is the action's; it reads, and writes nothing.
"""

from __future__ import annotations

from integrations.kubernetes.answers import ForbiddenError, NotServedError
from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.inventory.families import controller_of
from integrations.kubernetes.resources import AUTOSCALERS, SCALED_OBJECTS, Json
from patchgap.errors import PatchgapError
from patchgap.model.plan import Target

PERMISSIONS = (f"list {AUTOSCALERS.permission}", f"get,list,patch {SCALED_OBJECTS.permission}")
_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")


class Keda:
    """The ScaledObjects of the clusters that are asked about, each namespace listed once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str], list[Json] | str] = {}

    def of(self, cluster: Cluster, workload: Target) -> list[Json] | str:
        """Those that scale the workload; a sentence where KEDA is there and they may not be read."""
        where = (cluster.name, workload.namespace)
        if where not in self._read:
            self._read[where] = _scaled_objects(cluster, workload.namespace)
        found = self._read[where]
        return found if isinstance(found, str) else [s for s in found if _scales(s, workload.kind, workload.name)]


def _scaled_objects(cluster: Cluster, namespace: str) -> list[Json] | str:
    try:
        return cluster.all_of(SCALED_OBJECTS, namespace)
    except NotServedError:
        return []
    except ForbiddenError as error:
        if not cluster.serves(SCALED_OBJECTS):
            return []
        return f"whether KEDA scales it up again is unknown: patchgap may not {error.permission}"
    except PatchgapError as error:
        return f"whether KEDA scales it up again is unknown: {error.problem}"


def undoers(cluster: Cluster, manifest: Json) -> tuple[str, ...]:
    """Whoever else may set another number, a sentence each."""
    owner = controller_of(manifest)
    above = (f"{owner['kind']} {owner['name']} controls it, and may set it back or start another",) if owner else ()
    return (*above, *(_autoscalers(cluster, manifest) if manifest["kind"] in _SCALED else ()))


def _autoscalers(cluster: Cluster, manifest: Json) -> tuple[str, ...]:
    meta = manifest["metadata"]
    try:
        scalers = cluster.all_of(AUTOSCALERS, meta["namespace"])
    except ForbiddenError as error:
        return (f"whether an autoscaler scales it is unknown: patchgap may not {error.permission}",)
    except NotServedError:
        return ()  # this API serves no autoscalers
    return tuple(_told(s) for s in scalers if _scales(s, manifest["kind"], meta["name"]))


def _scales(scaler: Json, kind: str, name: str) -> bool:
    reference = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    return (reference.get("kind") or "Deployment", reference.get("name")) == (kind, name)  # KEDA's default kind


def _told(scaler: Json) -> str:
    least = scaler["spec"].get("minReplicas", 1)
    named = f"HorizontalPodAutoscaler {scaler['metadata']['name']} scales it (at least {least})"
    if least == 0:
        return f"{named}: it may scale up from zero by its metrics: raise its minReplicas, or delete it"
    return f"{named}: it rests while replicas are 0; anyone who sets another number wakes it"
