"""Objects held still by incidents: stopped while any of them holds one, and the last one restores what it was.

Owns the annotation that says who holds an object, with the value that was found before the first of them. It is written
and taken off in one write with the field that it is about, so that no two runs can disagree. What stops which kind is in
the three tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.reach import live, still
from integrations.kubernetes.resources import Json, Resource, of_kind
from patchgap.errors import ConflictError
from patchgap.model.plan import Target
from patchgap.ports import Situation

_ATTEMPTS = 6  # a controller writes a busy workload's status every few moments

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stop:
    """What stops a kind: the field at `path`, set to `value` (None: taken out). Where the field is absent it means
    `absent`. `note` is the annotation that holders write."""

    note: str
    path: tuple[str, ...]
    value: Any
    absent: Any = None

    @property
    def field(self) -> str:
        """The field as a person writes it."""
        return ".".join(self.path)

    def of(self, manifest: Json) -> Any:
        """The field's value as it is written; None where it is absent."""
        value: Any = manifest
        for part in self.path:
            value = (value or {}).get(part)
        return value

    def meant(self, value: Any) -> Any:
        """What a value of the field means."""
        return self.absent if value is None else value

    def is_met(self, value: Any) -> bool:
        """Whether that value stops it. Automated sync that is switched off is as good as none."""
        return self.meant(value) == self.value or (self.value is None and _is_off(value))

    def fits(self, value: Any) -> bool:
        """Whether a holder's note can be a value of the field: notes are annotations, and anyone may write those."""
        if value is None:
            return True
        if isinstance(self.value, bool):
            return isinstance(value, bool)
        if isinstance(self.value, int):
            return isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return isinstance(value, str if self.value else dict)


_ZERO, _PAUSED = "patchgap.dev/zero-for", "patchgap.dev/paused-for"
_SCALED = Stop(_ZERO, ("spec", "replicas"), 0, 1)
_ENDED = Stop(_ZERO, ("spec", "suspend"), value=True, absent=False)
ZERO: Mapping[str, Stop] = {
    "Deployment": _SCALED,
    "StatefulSet": _SCALED,
    "ReplicaSet": _SCALED,
    "Job": _ENDED,
    "CronJob": _ENDED,
    # KEDA scales to that number and rests until the annotation goes (keda.sh, Pausing autoscaling).
    "ScaledObject": Stop(_ZERO, ("metadata", "annotations", "autoscaling.keda.sh/paused-replicas"), "0"),
}
_SUSPENDED = Stop(_PAUSED, ("spec", "suspend"), value=True, absent=False)
PAUSED: Mapping[str, Stop] = {
    "Deployment": Stop(_PAUSED, ("spec", "paused"), value=True, absent=False),
    "Application": Stop(_PAUSED, ("spec", "syncPolicy", "automated"), value=None),
    "Kustomization": _SUSPENDED,
    "HelmRelease": _SUSPENDED,
}
CORDONED: Mapping[str, Stop] = {
    "Node": Stop("patchgap.dev/cordoned-for", ("spec", "unschedulable"), value=True, absent=False)
}


class TakenError(ConflictError):
    """Somebody else has set another value: theirs to decide, and no reason to try again."""


def settled(read: Callable[[], Held | None], act: Callable[[Held], T]) -> T | None:
    """What acting on the object answers, as `retried`; None where there is none any more."""

    def tried() -> T | None:
        held = read()
        return None if held is None else act(held)

    return retried(tried)


def retried(act: Callable[[], T]) -> T:
    """What it answers. Where the object changed between its reading and the write, it is read and acted on again."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return act()
        except TakenError:
            raise
        except ConflictError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError  # the last attempt returned or raised


@dataclass(frozen=True, slots=True)
class Held:
    """An object as a holder would hold it: an incident, or one of its controls. `before` is what a restore brings
    back."""

    resource: Resource
    manifest: Json
    holder: str
    stop: Stop

    @classmethod
    def of(cls, manifest: Json, holder: str, stops: Mapping[str, Stop]) -> Held:
        """Of an object whose kind is in that table."""
        return cls(of_kind(manifest["kind"]), manifest, holder, stops[manifest["kind"]])

    @classmethod
    def live(cls, situation: Situation, target: Target, holder: str, stops: Mapping[str, Stop]) -> Held:
        """Of the planned object as it is now. Raises NotFoundError or ConflictError where it is not that any more."""
        return cls.of(live(situation, target), holder, stops)

    @classmethod
    def still(cls, situation: Situation, target: Target, holder: str, stops: Mapping[str, Stop]) -> Held | None:
        """The same; None where it was deleted or replaced."""
        manifest = still(situation, target)
        return None if manifest is None else cls.of(manifest, holder, stops)

    @property
    def now(self) -> Any:
        """The field's value now, None where it is absent."""
        return self.stop.of(self.manifest)

    @property
    def is_still(self) -> bool:
        """Whether it is stopped now, by whomever."""
        return self.stop.is_met(self.now)

    @property
    def holds(self) -> Mapping[str, Any]:
        """What each holder found, by its name."""
        notes: Mapping[str, str] = self.manifest["metadata"].get("annotations") or {}
        prefix = f"{self.stop.note}."
        read = {k.removeprefix(prefix): _value(v) for k, v in notes.items() if k.startswith(prefix)}
        return {k: v for k, v in read.items() if self.stop.fits(v)}

    @property
    def is_mine(self) -> bool:
        """Whether this holder holds it."""
        return self.holder in self.holds

    @property
    def others(self) -> tuple[str, ...]:
        """The other holders."""
        return tuple(sorted(i for i in self.holds if i != self.holder))

    @property
    def before(self) -> Any:
        """What it was before anyone held it."""
        return next(iter(self.holds.values()), self.now)

    @property
    def setter(self) -> str:
        """Who set the field, as the server knows it."""
        for entry in self.manifest["metadata"].get("managedFields") or ():
            owned = entry.get("fieldsV1")
            for part in self.stop.path:
                owned = (owned or {}).get(f"f:{part}")
            if owned is not None:
                return str(entry.get("manager"))
        return "an unnamed manager"

    @property
    def change(self) -> str:
        """What holding it changes, as a line of a plan."""
        if self.is_still and not self.holds:
            return f"{self.stop.field}: {self.told(self.now)}, as it was before: it stays so"
        return f"{self.stop.field}: {self.told(self.before)} -> {self.told(self.stop.value)}"

    def told(self, value: Any) -> str:
        """A value of the field in words."""
        meant = self.stop.meant(value)
        return "none" if meant is None else json.dumps(meant, sort_keys=True)

    def hold(self, cluster: Cluster, before: Any, *, dry_run: bool = False) -> None:
        """Stops it for the holder. `before` is what an earlier try has found: what stands now is what is lost, unless the
        holder stopped it already."""
        found = self.holds[self.holder] if self.is_mine else before if self.is_still else self.before
        self._write(cluster, self.now if self.is_still else self.stop.value, json.dumps(found), dry_run=dry_run)

    def let_go(self, cluster: Cluster, before: Any, *, done: bool) -> str:
        """Restores what was found, unless another holds it; says what became of it. `done` tells whether the hold was
        ever complete. Raises ConflictError where someone else has set another value meanwhile."""
        field, now, before = self.stop.field, self.told(self.now), self.holds.get(self.holder, before)
        if not self.is_mine and not (done and self.is_still and not self.others):
            return f"{field} is {now}, and this incident does not hold it"
        as_before = self.stop.meant(self.now) == self.stop.meant(before)
        if not self.is_still and not as_before:
            raise TakenError(
                f"cluster {cluster.name}: {self._named}: {field} is {now} and not what patchgap set,"
                f" held by {self.setter}",
                f"Decide with that owner; it was {self.told(before)} before the incident.",
            )
        self._write(cluster, self.now if self.others or as_before else before, None)
        if self.others:
            return f"{field} stays {now}: {', '.join(self.others)} holds it too"
        return f"{field} is {self.told(before)} again"

    def amiss(self, target: Target) -> tuple[str, ...]:
        """How the target does not stand still for this holder; () where it does."""
        field = f"{target}: {self.stop.field}"
        if not self.is_still:
            return (f"{field} is {self.told(self.now)}, held by {self.setter}",)
        return () if self.is_mine else (f"{field} is not held for this incident",)

    @property
    def _named(self) -> str:
        meta = self.manifest["metadata"]
        return "/".join(p for p in (meta.get("namespace"), self.manifest["kind"], meta["name"]) if p)

    def _write(self, cluster: Cluster, value: Any, note: str | None, *, dry_run: bool = False) -> None:
        meta = self.manifest["metadata"]
        # The uid keeps another object of that name from being changed, the version another holder's write from being lost.
        pinned = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        body: dict[str, Any] = {"metadata": {**pinned, "annotations": {f"{self.stop.note}.{self.holder}": note}}}
        if value != self.now:
            *above, last = self.stop.path
            at = body
            for part in above:
                at = at.setdefault(part, {})
            at[last] = value
        cluster.patch(self.resource, meta.get("namespace", ""), meta["name"], body, dry_run=dry_run)


def _is_off(value: Any) -> bool:
    return isinstance(value, dict) and value.get("enabled") is False


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return NotImplemented  # fits no field
