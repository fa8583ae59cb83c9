"""A small estate: one cluster whose inventory, actions and checks are held in memory and can be told what to say.

What is real here: the graph, the ledger, the inbox, the playbook language and the planner, on a SQLite file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from patchgap.errors import RefusedError, UnreachableError
from patchgap.incident.events import Approved, Declined
from patchgap.model.codec import evidence_digest
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Control, Effect, Intent, Outcome, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.workload import (
    Classification,
    ClusterInventory,
    Container,
    ContainerRole,
    DataScope,
    RunState,
    Workload,
    WorkloadRef,
)
from patchgap.ports import Connections, Parameters, Situation, StandingParameters
from patchgap.registry import Registry
from patchgap.stages.consent import Answer
from patchgap.stages.engine import Engine

BAD, MEND = "sha256:" + "b" * 64, "sha256:" + "c" * 64

PLAYBOOK = """\
playbook: small
version: 1
summary: A small playbook.
owner: tests
detect:
  on: [advisory]
  only_if:
    any:
      - severity: [critical, high]
    running: true
scope:
  include: [running]
tiers:
  - tier: 1
    when: {data_scope: sensitive}
    contain: [hold]
    limits: {workloads: 2}
    verify: {every: 1m, within: 24h, fresh_within: 5m, all_of: [gone, quiet]}
  - tier: 2
    contain: [hold]
    approval: {from: second-person, within: 30m}
verify:
  every: 1m
  within: 24h
  fresh_within: 5m
  all_of: [gone]
recover: [let_go]
"""


@dataclass
class World:
    """What the fakes see and do. `held` are the names of what is held; `calls` counts the effects."""

    now: datetime = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
    workloads: list[Workload] = field(default_factory=list)
    unreachable: bool = False
    gone: bool = False  # whether what is held cannot be seen
    verdict: Verdict = Verdict.FAIL
    said: str = "looked"  # the reason that every check gives
    held: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)  # names whose hold or release fails
    identity: str = "first"  # what the control plane is known by
    clusters: tuple[str, ...] = ("c1",)  # those that are configured
    reads: list[str] = field(default_factory=list)  # names that `note` was asked about
    loud: set[str] = field(default_factory=set)  # queries of which `quiet` says fail
    dark: set[str] = field(default_factory=set)  # of which it says unknown

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)  # no two things happen at once
        return self.now

    def runs(
        self, name: str, digest: str, data: Classification = Classification.SENSITIVE, cluster: str = "c1"
    ) -> None:
        ref = WorkloadRef("fake", cluster, "ns", "Deployment", name, f"uid-{name}")
        container = Container("main", ContainerRole.MAIN, f"r/{name}@{digest}", digest, RunState.RUNNING, 1)
        self.workloads = [w for w in self.workloads if w.ref != ref]
        self.workloads.append(
            Workload(ref, (container,), environment="production", running=1, data_scope=DataScope(data))
        )


def fakes(world: World) -> Registry:  # noqa: C901  (three small classes)
    class Inventory:
        platform: ClassVar[str] = "fake"

        def clusters(self, _connections: Connections) -> Sequence[str]:
            return world.clusters

        def read(self, cluster: str, _connections: Connections) -> ClusterInventory:
            if world.unreachable:
                raise UnreachableError("cluster c1 did not answer", "Wait.")
            here = tuple(w for w in world.workloads if w.ref.cluster == cluster)
            return ClusterInventory(cluster, "fake", here, identity=world.identity)

    class Hold:
        verb, platform, effect, inverse = "hold", "fake", Effect.REVERSIBLE, "let_go"
        permissions: ClassVar[tuple[str, ...]] = ()
        parameters = StandingParameters

        def targets(self, _parameters: Any, situation: Situation) -> Iterable[Target | Uncovered]:
            return [Target.of(w.ref) for w in situation.workloads]

        def preview(self, _parameters: Any, target: Target, _situation: Situation) -> tuple[str, ...]:
            return (f"{target.name} is held",)

        def find(self, action: PlannedAction, _situation: Situation) -> Mapping[str, Any]:
            return {"held": action.target.name in world.held}

        def apply(self, intent: Intent, _situation: Situation) -> Receipt:
            name = intent.action.target.name
            world.calls.append(f"hold {name}")
            if name in world.broken:
                raise UnreachableError(f"{name} did not answer", "Wait.")
            world.held.add(name)
            return Receipt(intent.action.id, Outcome.DONE, (f"{name} is held",))

        def observe(self, intent: Intent, _situation: Situation) -> Receipt | None:
            if world.gone:
                raise UnreachableError("cluster c1 did not answer", "Wait.")
            held = intent.action.target.name in world.held
            return Receipt(intent.action.id, Outcome.DONE, ("seen held",)) if held else None

        def release(self, control: Control, _situation: Situation) -> Receipt:
            name = control.intent.action.target.name
            world.calls.append(f"release {name}")
            if name in world.broken:
                raise UnreachableError(f"{name} did not answer", "Wait.")
            world.held.discard(name)
            return Receipt(control.intent.action.id, Outcome.DONE, (f"{name} is free",))

    class Gone:
        verb, platform = "gone", "fake"
        permissions: ClassVar[tuple[str, ...]] = ()
        parameters = Parameters

        def observe(self, _parameters: Any, situation: Situation) -> Sequence[Evidence]:
            if world.unreachable:
                raise UnreachableError("cluster c1 did not answer", "Wait.")
            now = situation.clock()
            verdict = world.verdict
            seen = [Evidence(self.verb, verdict, (world.said,), f"{c}: fake", now) for c in world.clusters]
            return [replace(s, digest=evidence_digest(s)) for s in seen]

    class QuietParameters(Parameters):
        query: str = ""

    class Quiet(Gone):
        verb = "quiet"
        parameters = QuietParameters

        def observe(self, parameters: Any, situation: Situation) -> Sequence[Evidence]:
            seen = super().observe(parameters, situation)
            for verdict, queries in ((Verdict.FAIL, world.loud), (Verdict.UNKNOWN, world.dark)):
                if parameters.query in queries:
                    told = (replace(e, verdict=verdict) for e in seen)
                    seen = [replace(e, digest=evidence_digest(e)) for e in told]
            return seen

    class Note(Hold):
        verb, effect, inverse = "note", Effect.READS, ""

        def apply(self, intent: Intent, _situation: Situation) -> Receipt:
            world.reads.append(intent.action.target.name)
            return Receipt(intent.action.id, Outcome.DONE, ("noted",))

        def observe(self, intent: Intent, _situation: Situation) -> Receipt | None:
            noted = intent.action.target.name in world.reads
            return Receipt(intent.action.id, Outcome.DONE, ("noted",)) if noted else None

        def release(self, _control: Control, _situation: Situation) -> Receipt:
            raise RefusedError("a note cannot be released", "Leave it.")

    actions = {"hold": {"fake": Hold()}, "note": {"fake": Note()}}
    checks = {"gone": {"fake": Gone()}, "quiet": {"fake": Quiet()}}
    return Registry(actions, checks, (Inventory(),))  # type: ignore[arg-type]


def sbom(folder: Path, digest: str, version: str) -> Path:
    """An SBOM of one image that holds pytorch-lightning at that version."""
    purl = f"pkg:pypi/pytorch-lightning@{version}"
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {"component": {"type": "container", "name": "r/app", "version": digest, "bom-ref": "root"}},
        "components": [
            {"type": "library", "name": "pytorch-lightning", "version": version, "purl": purl, "bom-ref": "pl"}
        ],
        "dependencies": [{"ref": "root", "dependsOn": ["pl"]}],
    }
    path = folder / f"{version}.cdx.json"
    path.write_text(json.dumps(document))
    return path


def envelope(
    advisory: str = "PYSEC-2021-874", *, aliases: tuple[str, ...] = ("CVE-2021-4118",), **claims: Any
) -> dict[str, Any]:
    """A signal about pytorch-lightning before 1.6.0; exploited, unless claims are given."""
    events = [{"introduced": "0"}, {"fixed": "1.6.0"}]
    affected = {
        "package": {"ecosystem": "PyPI", "name": "pytorch-lightning"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    osv = {"id": advisory, "modified": "2023-05-25T05:07:00Z", "aliases": list(aliases), "affected": [affected]}
    return {"kind": "advisory", "source": "test", "claims": claims or {"known_exploited": True}, "advisory": osv}


def say_yes(engine: Engine, incident: IncidentId, digest: str, person: str = "dana") -> Approved | Declined:
    """A person says yes to the plan, by a code of theirs."""
    (code,) = engine.consent.approvers.issue(person, "admin")
    return engine.consent.by_code(Answer(incident, digest, yes=True), code)
