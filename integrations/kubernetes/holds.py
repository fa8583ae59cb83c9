"""Zero, held by incidents: a workload stands at zero while any incident holds it, and the last one restores it.

Owns the annotation that says which incident holds an object, with the value that was found before the first of them.
It is written and taken off in one write with the field that it is about, so that no two runs can disagree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.resources import Json, Resource, of_kind
from patchgap.errors import ConflictError

HOLD = "patchgap.dev/zero-for"
_REPLICAS, _SUSPEND = "replicas", "suspend"
_ATTEMPTS = 6  # a controller writes a busy workload's status every few moments

T = TypeVar("T")


class TakenError(ConflictError):
    """Somebody else has set another value: theirs to decide, and no reason to try again."""


def settled(read: Callable[[], Held | None], act: Callable[[Held], T]) -> T | None:
    """What acting on the object answers; None where there is none any more. Where it changed between the reading and
    the write, it is read and acted on again."""
    for attempt in range(1, _ATTEMPTS + 1):
        if (held := read()) is None:
            return None
        try:
            return act(held)
        except TakenError:
            raise
        except ConflictError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError  # the last attempt returned or raised


@dataclass(frozen=True, slots=True)
class Held:
    """An object as an incident would hold it. `before` is what a restore brings back."""

    resource: Resource
    manifest: Json
    incident: str

    @classmethod
    def of(cls, manifest: Json, incident: str) -> Held:
        """Of an object that has a scale or can be suspended."""
        return cls(of_kind(manifest["kind"]), manifest, incident)

    @property
    def field(self) -> str:
        """The field of its spec that stops it."""
        return _SUSPEND if self.manifest["kind"] in {"Job", "CronJob"} else _REPLICAS

    @property
    def zero(self) -> int | bool:
        """Its value while it is held."""
        return True if self.field == _SUSPEND else 0

    @property
    def now(self) -> int | bool:
        """Its value now."""
        spec = self.manifest.get("spec") or {}
        return bool(spec.get(_SUSPEND)) if self.field == _SUSPEND else int(spec.get(_REPLICAS, 1))

    @property
    def holds(self) -> Mapping[str, int | bool]:
        """What each incident that holds it found, by its name."""
        notes: Mapping[str, str] = self.manifest["metadata"].get("annotations") or {}
        prefix = HOLD + "."
        return {
            k.removeprefix(prefix): json.loads(v) for k, v in notes.items() if k.startswith(prefix) and _is_value(v)
        }

    @property
    def others(self) -> tuple[str, ...]:
        """The other incidents that hold it."""
        return tuple(sorted(i for i in self.holds if i != self.incident))

    @property
    def before(self) -> int | bool:
        """What it was before anyone held it."""
        return next(iter(self.holds.values()), self.now)

    @property
    def holder(self) -> str:
        """Who set the field, as the server knows it."""
        for entry in self.manifest["metadata"].get("managedFields") or ():
            if f"f:{self.field}" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}):
                return str(entry.get("manager"))
        return "an unnamed manager"

    def hold(self, cluster: Cluster, before: int | bool, *, dry_run: bool = False) -> None:
        """Sets it to zero for the incident."""
        self._write(cluster, self.zero, json.dumps(before), dry_run=dry_run)

    def let_go(self, cluster: Cluster, before: int | bool, *, done: bool) -> str:
        """Restores what was found, unless another incident holds it; says what became of it. `done` tells whether the
        incident's hold was ever complete. Raises ConflictError where someone else has set another value meanwhile."""
        mine = self.incident in self.holds
        if not mine and not (done and self.now == self.zero and not self.others):
            return f"{self.field} is {_told(self.now)}, and this incident does not hold it"
        if self.now not in (self.zero, before):
            raise TakenError(
                f"cluster {cluster.name}: {self._named}: spec.{self.field} is {_told(self.now)} and not what patchgap"
                f" set, held by {self.holder}",
                f"Decide with that owner; it was {_told(before)} before the incident.",
            )
        self._write(cluster, self.now if self.others else before, None)
        if self.others:
            return f"{self.field} stays {_told(self.now)}: {', '.join(self.others)} holds it too"
        return f"spec.{self.field} is {_told(before)} again"

    @property
    def _named(self) -> str:
        meta = self.manifest["metadata"]
        return f"{meta['namespace']}/{self.manifest['kind']}/{meta['name']}"

    def _write(self, cluster: Cluster, value: int | bool, note: str | None, *, dry_run: bool = False) -> None:
        meta = self.manifest["metadata"]
        # The uid keeps another object of that name from being changed, the version another holder's write from being lost.
        pinned = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        body: dict[str, Any] = {
            "metadata": {**pinned, "annotations": {f"{HOLD}.{self.incident}": note}},
            "spec": {self.field: value},
        }
        cluster.patch(self.resource, meta["namespace"], meta["name"], body, dry_run=dry_run)


def _is_value(text: str) -> bool:
    return text in {"true", "false"} or (text.isascii() and text.isdigit())


def _told(value: int | bool) -> str:
    return str(value).lower()
