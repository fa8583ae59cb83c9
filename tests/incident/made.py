"""A made-up incident, told through a real ledger: the trainer of `prod-ml-eu` includes a vulnerable pytorch-lightning.

Values only; every test that wants an incident tells as much of this story as it needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from patchgap.incident import events, gate
from patchgap.incident.ledger import Ledger
from patchgap.model.codec import sealed
from patchgap.model.evidence import Evidence, Verdict
from patchgap.model.exposure import Artifact, Component, Exposure
from patchgap.model.finding import Finding, IncidentId
from patchgap.model.plan import ActionId, Effect, Intent, Outcome, Plan, PlannedAction, Receipt, Target, Uncovered
from patchgap.model.signal import Advisory, AffectedPackage, Claims, Severity, Signal, SignalId, SignalKind
from patchgap.model.unknown import Unknown
from patchgap.model.workload import (
    Classification,
    Container,
    ContainerRole,
    DataScope,
    Privileges,
    RunState,
    Workload,
    WorkloadRef,
)
from patchgap.playbook.planner import digest_of
from patchgap.storage import connect

START = datetime(2026, 11, 24, 7, 10, tzinfo=UTC)
KEY = "advisory:CVE-2021-4118"
LIGHTNING = "pkg:pypi/pytorch-lightning@1.5.2"
CHAIN = ("pkg:oci/trainer", "pkg:pypi/ml-platform@4.2.0", LIGHTNING)


class Ticking:
    """A clock that moves by itself, a little at each reading, and by hand."""

    def __init__(self, start: datetime = START, step: float = 1.5) -> None:
        self.now = start
        self.step = timedelta(seconds=step)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def ledger_in(folder: Path, clock: Ticking | None = None) -> Ledger:
    return Ledger(connect(f"sqlite:///{folder / 'patchgap.db'}"), clock or Ticking())


def workload(name: str, namespace: str, kind: str = "Deployment", **more: object) -> Workload:
    ref = WorkloadRef("kubernetes", "prod-ml-eu", namespace, kind, name, f"uid-{name}")
    image = Container("main", ContainerRole.MAIN, f"registry.example/{name}", image_of(name), RunState.RUNNING, 2)
    base = Workload(ref, (image,), "production", "eu-central-1", replicas=2, running=2)
    return replace(base, **more)  # type: ignore[arg-type]


def image_of(name: str) -> str:
    return "sha256:" + (name.encode().hex() * 16)[:64]


TRAINER = workload(
    "trainer-v2",
    "training",
    replicas=8,
    running=8,
    nodes=("gpu-1", "gpu-2"),
    privileges=Privileges(
        "trainer", cluster_admin=False, reach=("get,list secrets in training", "create jobs in training")
    ),
    data_scope=DataScope(Classification.SENSITIVE, ("model-registry", "feature-store")),
)
NOTEBOOK = workload(
    "notebook", "research", "StatefulSet", environment="staging", privileges=Privileges("default", privileged=True)
)
NIGHTLY = workload("nightly-eval", "training", "CronJob", running=0, internet_exposed=True)
WORKLOADS = (TRAINER, NOTEBOOK, NIGHTLY)


def exposure(of: Workload) -> Exposure:
    artifact = Artifact(image_of(of.ref.name), f"registry.example/{of.ref.name}", commit="4f1c2ab9d0")
    chains = (CHAIN, (f"pkg:oci/{of.ref.name}", LIGHTNING)) if of is TRAINER else (CHAIN,)
    return Exposure(Component(LIGHTNING, "pytorch-lightning", "1.5.2"), False, chains, artifact, of, of.containers[0])


def signal(number: int = 1, aliases: tuple[str, ...] = ("CVE-2021-4118", "GHSA-r5qj-cvf9-p85h")) -> Signal:
    advisory = Advisory(
        id="PYSEC-2021-874",
        digest="sha256:" + "a" * 64,
        affected=(AffectedPackage("PyPI", "pytorch-lightning", versions=("1.5.2",)),),
        aliases=aliases,
        summary="pytorch-lightning deserialises untrusted data: code runs when a checkpoint is loaded.",
        details="<script>alert('an advisory is data')</script> {{ 7 * 7 }}",
    )
    return Signal(
        SignalId(f"sig-{number:016x}"),
        SignalKind.ADVISORY,
        "threat-intel",
        START,
        Claims(known_exploited=True),
        advisory,
    )


FINDING = Finding(
    KEY,
    signal(),
    Severity.CRITICAL,
    malicious=False,
    known_exploited=True,
    epss=0.42,
    exposures=tuple(exposure(w) for w in WORKLOADS),
    unknown=(Unknown("image registry.example/legacy@sha256:9c…", "no SBOM is known for it"),),
)
OPENED = events.Opened(
    FINDING, "compromised-dependency", 3, "sha256:" + "b" * 64, "playbook: compromised-dependency\n", 0.01
)


def action(number: int, verb: str, of: Workload, inverse: str = "", tier: int = 1, **more: object) -> PlannedAction:
    effect = Effect.REVERSIBLE if inverse else Effect.NOTIFIES
    changes = (f"{verb}: absent -> present",)
    made = PlannedAction(
        ActionId(f"act-{number:012x}"),
        number,
        tier,
        verb,
        "kubernetes",
        effect,
        Target.of(of.ref),
        {},
        changes,
        inverse,
    )
    return replace(made, **more)  # type: ignore[arg-type]


FREEZE = action(1, "freeze_deployments", TRAINER, "unfreeze_deployments")
ISOLATE = action(2, "isolate_workloads", TRAINER, "release_isolation")
BLOCK = action(3, "block_artifacts", TRAINER, "unblock_artifacts")
TICKET = action(4, "open_incident", TRAINER)
HOLD = action(5, "isolate_workloads", NOTEBOOK, "release_isolation", tier=2)
ACTIONS = (FREEZE, ISOLATE, BLOCK, TICKET, HOLD)


def plan_for(incident: IncidentId, actions: tuple[PlannedAction, ...] = ACTIONS, **more: object) -> Plan:
    waits = tuple(dict.fromkeys(a.needs_approval for a in actions if a.needs_approval))
    made = Plan(incident, "compromised-dependency@3", START, actions, needs_approval=waits)
    made = replace(made, **more)  # type: ignore[arg-type]
    return replace(made, digest=digest_of(made))


def seen(check: str, verdict: Verdict, at: datetime, *reasons: str, source: str = "prod-ml-eu: list pods") -> Evidence:
    made = Evidence(check, verdict, reasons or ("0 pods run an affected version",), source, at, {"pods": 12})
    return sealed(made)


def receipt(of: PlannedAction, outcome: Outcome = Outcome.DONE, *detail: str) -> Receipt:
    return Receipt(of.id, outcome, detail or (f"{of.verb} stands on {of.target}",), {"object": f"patchgap-{of.step}"})


@dataclass
class Telling:
    """Tells the story entry by entry; `bodies` yields each next one as its time comes."""

    ledger: Ledger
    clock: Ticking
    incident: IncidentId = field(init=False)

    def whole(self, *, until: type | None = None) -> IncidentId:
        """Opens the incident and tells the rest, up to and with the first entry of the kind `until`."""
        self.incident, _ = self.ledger.open(KEY, OPENED, "patchgap detect")
        for body in self.bodies():
            self.ledger.append(self.incident, body, _ACTORS.get(body.kind, "patchgap"))
            if until is not None and isinstance(body, until):
                break
        return self.incident

    def bodies(self) -> Iterator[events.Body]:
        return itertools.chain(self._contain(), self._verify(), self._recover())

    def _contain(self) -> Iterator[events.Body]:
        yield events.SignalJoined(signal(2))
        tiers = {
            str(TRAINER.ref): events.TierGiven(1, ("severity is critical", "data scope is sensitive")),
            str(NOTEBOOK.ref): events.TierGiven(2, ("severity is critical",)),
            str(NIGHTLY.ref): events.TierGiven(2, ("severity is critical",)),
        }
        yield events.Scoped(FINDING, tiers, FINDING.unknown, 2.5)
        yield events.PlanRefused(reasons=("tier 1: 9 workloads are more than its limit of 8",))
        gap = Uncovered("isolate_workloads", str(NIGHTLY.ref), "a CronJob has no pod to isolate")
        made = plan_for(
            self.incident, (*ACTIONS[:4], replace(HOLD, needs_approval="tier 2 asks for an approval")), uncovered=(gap,)
        )
        yield events.Planned(made)
        yield events.Declined(made.digest, "lee", "is the notebook one of ours?")
        yield events.Planned(made)
        yield events.GlassBroken("sam", "nobody answers the pager", self.clock.now + timedelta(minutes=30))
        yield events.Approved(made.digest, "dana", "sam", self.clock.now + timedelta(minutes=30))
        for one in made.actions:
            self.clock.wait(2)
            yield events.IntentMade(Intent(one, {"replicas": 8}, "patchgap contain"))
            failed = one.verb == "open_incident"
            yield events.ReceiptMade(
                receipt(one, Outcome.FAILED, "the ticket system answered 503") if failed else receipt(one)
            )
        yield events.StageFailed("contain", ("open_incident: the ticket system answered 503",))
        yield events.PersonCalled("containment is PARTIAL: open_incident failed")
        yield events.TimeExtended(
            (ACTIONS[0].id,), self.clock.now + timedelta(hours=4), "lee", "the mend comes at noon"
        )
        yield events.PersonTold("inc-call-1", "oncall", "inc-call-1")
        self.clock.wait(60)
        yield events.IntentMade(Intent(TICKET, {}, "patchgap contain"))
        yield events.ReceiptMade(receipt(TICKET, Outcome.DONE, "SEC-1042 was opened"))

    def _verify(self) -> Iterator[events.Body]:
        self.clock.wait(30)
        at = self.clock.now
        wrong = ("8 pods of training/Deployment/trainer-v2 still run pytorch-lightning 1.5.2",)
        yield events.EvidenceTaken("package_absent", "kubernetes", (seen("package_absent", Verdict.FAIL, at, *wrong),))
        missing = (
            f"package_absent (prod-ml-eu: list pods): fail: {wrong[0]}",
            "digests_retired: no evidence was taken",
        )
        yield events.GateJudged(gate.GateVerdict(False, missing, {"package_absent": Verdict.FAIL}))
        yield events.CloseRefused(missing)
        yield events.PatchNamed("registry.example/trainer-v2@" + image_of("patched"), image_of("patched"), "sbom-17")
        yield events.Waived(
            "signals_at_baseline", "the metrics source is being replaced", "dana", START + timedelta(days=1)
        )
        self.clock.wait(600)
        at = self.clock.now
        proofs = [seen(c, Verdict.PASS, at) for c in ("package_absent", "digests_retired", "policy_in_sync")]
        for proof in proofs:
            yield events.EvidenceTaken(proof.check, "kubernetes", (proof,))
        yield events.GateJudged(
            gate.GateVerdict(
                True,
                (),
                {p.check: Verdict.PASS for p in proofs},
                ("signals_at_baseline",),
                tuple(p.digest for p in proofs),
            )
        )

    def _recover(self) -> Iterator[events.Body]:
        for one in (ISOLATE, HOLD, FREEZE):
            yield events.ReleaseIntended(one.id)
            yield events.Released(one.id, receipt(one, Outcome.DONE, "what was found stands again"))
        at = self.clock.now
        proof = seen("package_absent", Verdict.PASS, at)
        yield events.EvidenceTaken("package_absent", "kubernetes", (proof,))
        yield events.GateJudged(gate.GateVerdict(True, (), {"package_absent": Verdict.PASS}, (), (proof.digest,)))
        stays = events.Remaining(BLOCK.id, f"block_artifacts on {TRAINER.ref}", START + timedelta(days=30))
        yield events.Recovered((stays,))
        yield events.Closed((proof.digest,), waived=("signals_at_baseline",))


_ACTORS = {"approved": "dana", "waived": "dana", "close_refused": "sam", "patch_named": "ci"}
