"""What incidents hold a workload at: some of its fields, each set to one value until the last incident lets go.

Owns the tags that say which incident holds a workload, and with which values it was found. A tag and a field are two calls
on AWS: the tag comes first and goes last, so that what was cut off in between is known for what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from integrations.aws.inventory.ecs import SERVICE
from integrations.aws.reach import Live
from patchgap.errors import ConflictError

Fields = Mapping[str, str]  # a name to a value, both without blanks, "=" and commas
PERMISSIONS = ("ecs:TagResource", "ecs:UntagResource", "lambda:TagResource", "lambda:UntagResource")
PREFIX = "patchgap.dev"


@dataclass(frozen=True, slots=True)
class Held:
    """A workload as an incident would hold it. `what` names the fields together ("zero"), `holder` the incident (and the
    verb, where two verbs hold the same), `zero` the values while it is held. `write` sets the fields that it is given."""

    live: Live
    what: str
    holder: str
    now: Fields
    zero: Fields
    write: Callable[[Fields], None]

    @property
    def holds(self) -> Mapping[str, Fields]:
        """What each holder found, by its name."""
        prefix = f"{PREFIX}/{self.what}/"
        return {k.removeprefix(prefix): _read(v) for k, v in self.live.tags.items() if k.startswith(prefix)}

    @property
    def others(self) -> tuple[str, ...]:
        """The other holders."""
        return tuple(sorted(h for h in self.holds if h != self.holder))

    @property
    def before(self) -> Fields:
        """What it was before anyone held it."""
        return next(iter(self.holds.values()), self.now)

    @property
    def is_held(self) -> bool:
        """Whether every field has the value of the hold."""
        return all(self.now.get(k) == v for k, v in self.zero.items())

    def conflicts(self, before: Fields) -> tuple[str, ...]:
        """The fields that are neither as found nor as set: somebody else's."""
        theirs = [k for k, v in self.now.items() if v not in (before.get(k), self.zero.get(k))]
        return tuple(f"{k} is {self.now[k]}, was found {before.get(k)} and set {self.zero.get(k)}" for k in theirs)

    def refuse_foreign(self, before: Fields) -> None:
        """Raises ConflictError where somebody else has changed a field."""
        if found := self.conflicts(before):
            raise ConflictError(
                f"account {self.live.account.name}: {self.live.label}: {'; '.join(found)}",
                "Decide with whoever changed it (CloudTrail knows); nothing was overwritten.",
            )

    def hold(self, before: Fields) -> None:
        """Sets the fields, for the holder."""
        self.refuse_foreign(before)
        if self.holder not in self.holds:
            _tag(self.live, f"{PREFIX}/{self.what}/{self.holder}", _told(before))
        if changed := {k: v for k, v in self.zero.items() if self.now.get(k) != v}:
            self.write(changed)

    def let_go(self, before: Fields, *, done: bool) -> str:
        """Restores what was found, unless another holder is left; says what became of it. `done` tells whether the hold
        was ever complete. Raises ConflictError where somebody else has changed a field meanwhile."""
        mine = self.holder in self.holds
        if not mine and not (done and self.is_held and not self.others):
            return f"{self.live.label} is not held by this incident"
        if not self.others:
            self.refuse_foreign(before)
            if changed := {
                k: v for k, v in before.items() if self.now.get(k, v) != v
            }:  # what is gone is not made again
                self.write(changed)
        if mine:
            _untag(self.live, f"{PREFIX}/{self.what}/{self.holder}")
        if self.others:
            return f"{self.live.label} stays as it is: {', '.join(self.others)} holds it too"
        return f"{self.live.label}: {words(before)} again"


def words(fields: Fields) -> str:
    """Fields for a person."""
    return ", ".join(f"{k} {v}" for k, v in sorted(fields.items()))


def _told(fields: Fields) -> str:
    return " ".join(f"{k}={v}" for k, v in sorted(fields.items()))


def _read(text: str) -> Fields:
    return dict(part.split("=", 1) for part in text.split() if "=" in part)


def _tag(live: Live, key: str, value: str) -> None:
    if live.kind == SERVICE:
        tags = [{"key": key, "value": value}]
        live.account.write("ecs", "TagResource", live.region, resourceArn=live.arn, tags=tags)
    else:
        live.account.write("lambda", "TagResource", live.region, Resource=live.arn, Tags={key: value})


def _untag(live: Live, key: str) -> None:
    if live.kind == SERVICE:
        live.account.write("ecs", "UntagResource", live.region, resourceArn=live.arn, tagKeys=[key])
    else:
        live.account.write("lambda", "UntagResource", live.region, Resource=live.arn, TagKeys=[key])
