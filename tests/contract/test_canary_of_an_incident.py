"""The shipped playbook's canary through the engine on a control plane: it waits, starts once its mend is named, is promoted
when its time has come, and leaves nothing behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scene import BAD, CLUSTER, GOOD, HOME, Scene, account, deployment, image, namespace

from integrations.kubernetes.resources import DEPLOYMENTS
from patchgap.errors import RefusedError
from patchgap.graph.sbom.read import read_sbom
from patchgap.incident import report
from patchgap.incident.state import Status
from patchgap.model.finding import IncidentId
from patchgap.model.plan import Outcome
from patchgap.settings import Settings
from patchgap.stages import contain, detect, patch, recover, scope, verify
from patchgap.stages.consent import Answer
from patchgap.stages.engine import Engine
from patchgap.stages.situation import state_of

NAME = "pytorch-lightning"


class Site:
    """An engine on a scene, with a clock that can be moved on."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene = scene
        self.ahead = timedelta(0)
        home = folder / "engine"
        home.mkdir()
        settings = Settings(
            home=home,
            database_url=f"sqlite:///{home / 'p.db'}",
            kubernetes=scene.connections().settings.kubernetes,
        )
        self.engine = Engine.open(settings, lambda: datetime.now(UTC) + self.ahead)
        for digest, version in ((BAD, "1.5.2"), (GOOD, "1.6.4")):
            path = folder / f"{version}.cdx.json"
            root = {"type": "container", "name": "ml/trainer", "version": digest, "bom-ref": "root"}
            part = {"type": "library", "name": NAME, "version": version, "purl": f"pkg:pypi/{NAME}@{version}"}
            document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "metadata": {"component": root}}
            path.write_text(json.dumps({**document, "components": [part]}))
            self.engine.graph.add_sbom(read_sbom(path, None), self.engine.clock())
        affected = {"package": {"ecosystem": "PyPI", "name": NAME}, "versions": ["1.5.2"]}
        osv = {"id": "PYSEC-2021-874", "modified": "2023-05-25T05:07:00Z", "affected": [affected]}
        signal = {"kind": "advisory", "source": "test", "claims": {"known_exploited": True}, "advisory": osv}
        found = detect.detect(self.engine, detect.receive(self.engine, signal, "test"))
        scope.refresh(self.engine, CLUSTER)
        found = found if found.incident else detect.detect(self.engine, detect.receive(self.engine, signal, "again"))
        assert found.incident is not None, found.reason
        self.incident: IncidentId = found.incident
        scope.scope(self.engine, self.incident)

    def carry_out(self, steps: Any) -> dict[str, Outcome]:
        """The outcome of each verb of the steps."""
        ended = {}
        for step in steps:
            for action in step:
                ended[action.verb] = contain.carry_out(self.engine, self.incident, action.id).outcome
            self.scene.settle()
        contain.finish(self.engine, self.incident)
        return ended

    def approve(self, digest: str) -> None:
        """A second person says yes to the plan."""
        (code,) = self.engine.consent.approvers.issue("dana", "admin")
        self.engine.consent.by_code(Answer(self.incident, digest, yes=True), code)

    def round(self) -> dict[str, Outcome]:
        """What goes on in a scheduled round."""
        return self.carry_out(contain.to_go_on(self.engine, self.incident))

    def verified(self) -> dict[str, str]:
        """The verdict of each check that a cluster answers."""
        for verb, platform in verify.checks(self.engine, self.incident):
            verify.observe(self.engine, self.incident, verb, platform)
        return {c: v.value for c, v in verify.judge(self.engine, self.incident).by_check.items()}

    def standing(self) -> set[str]:
        """The verbs of what stands, as the report has it."""
        rows = report._controls(self.state, self.engine.ledger.read(self.incident), self.engine.clock())
        return {row["verb"] for row in rows}

    @property
    def state(self) -> Any:
        return state_of(self.engine, self.incident)


@pytest.fixture
def site(controllers: Any, tmp_path: Path) -> Site:
    """A trainer beside internal data: tier 2 of the shipped playbook."""
    scene = Scene(controllers, tmp_path)
    labels = {"patchgap.dev/environment": "production", "patchgap.dev/classification": "internal"}
    scene.make(namespace(**labels), namespace(HOME), account(), deployment(replicas=3, serviceAccountName="trainer"))
    return Site(scene, tmp_path)


def test_a_canary_waits_starts_is_promoted_and_is_gone(site: Site) -> None:
    """The plan says what is awaited; the other steps are done meanwhile and nobody is called; named, the mend starts the
    canary under the block and the freeze, hours after the yes; half an hour later it is rolled out, and the checks of
    the cluster pass. A round between, in which nothing is due, writes nothing."""
    engine, incident = site.engine, site.incident
    plan = contain.plan(engine, incident)
    waiting = {a.verb: a.changes[0] for a in plan.actions if "canary" in a.verb}
    assert set(waiting) == {"start_patched_canary", "promote_canary"}
    assert all("waits for a patched image" in line for line in waiting.values())
    site.approve(plan.digest)
    ended = site.carry_out(contain.ready(engine, incident))
    assert {v for v, o in ended.items() if o is Outcome.WAITING} == set(waiting)
    assert {o for v, o in ended.items() if v not in waiting} == {Outcome.DONE}
    assert site.state.status is Status.CONTAINED
    assert site.state.persons_called == ()
    summary = contain.finish(engine, incident)
    assert [(a.verb, r.outcome) for a, r in summary.awaiting] == [(v, Outcome.WAITING) for v in waiting]
    assert site.verified()["package_absent"] == "fail"

    site.ahead = timedelta(hours=12)
    quiet = site.state.head
    assert set(site.round().values()) == {Outcome.WAITING}
    assert site.state.head == quiet
    assert not contain.left_undone(engine, incident, timedelta(minutes=1))

    patch.name_patch(engine, incident, image(GOOD), "sam")
    assert site.round() == {"start_patched_canary": Outcome.DONE, "promote_canary": Outcome.WAITING}
    assert "waiting" in report.render(site.state, engine.ledger.read(incident), engine.clock())
    assert site.scene.admin.find(DEPLOYMENTS, "training", f"patchgap-{incident}-canary-trainer")
    quiet = site.state.head
    site.ahead += timedelta(minutes=10)
    assert site.round() == {"promote_canary": Outcome.WAITING}
    assert site.state.head == quiet

    site.ahead += timedelta(minutes=21)
    assert site.round() == {"promote_canary": Outcome.DONE}
    assert site.round() == {}
    assert "start_patched_canary" not in site.standing()
    assert "promote_canary" in site.standing()
    site.scene.settle()
    seen = site.verified()
    assert {seen[c] for c in ("package_absent", "digests_retired", "policy_in_sync")} == {"pass"}, seen
    assert site.state.persons_called == ()
    names = [d["metadata"]["name"] for d in site.scene.admin.all_of(DEPLOYMENTS, "training")]
    assert names == ["trainer"]


def test_a_withdrawn_canary_calls_a_person_and_another_mend_is_tried(site: Site) -> None:
    """What failed is not tried again by itself, until a newer image is named, and cannot be named again; dismissed, nothing is left, and the workload
    keeps what it ran."""
    engine, incident, scene = site.engine, site.incident, site.scene
    pictures = [{"name": "main", "image": image(BAD)}, {"name": "proxy", "image": "r.example/nowhere:1"}]
    body = {"spec": {"template": {"spec": {"containers": pictures}}}}
    scene.admin.patch(DEPLOYMENTS, "training", "trainer", body)
    scene.settle()
    scope.refresh(engine, CLUSTER)
    scope.scope(engine, incident)
    patch.name_patch(engine, incident, image(GOOD), "sam")
    plan = contain.plan(engine, incident)
    site.approve(plan.digest)
    ended = site.carry_out(contain.ready(engine, incident))
    assert (ended["start_patched_canary"], ended["promote_canary"]) == (Outcome.DONE, Outcome.WAITING)
    site.ahead += timedelta(minutes=61)
    assert site.round() == {"promote_canary": Outcome.FAILED}
    assert "is withdrawn" in site.state.persons_called[-1]
    assert not {"start_patched_canary", "promote_canary"} & site.standing()
    site.verified()
    compared = " ".join(r for e in site.state.evidence if e.check == "policy_in_sync" for r in e.reasons)
    assert "canary" not in compared, "what does not stand is not proved to stand"
    assert site.round() == {}
    steps = [[a for a in step if "canary" in a.verb] for step in contain.ready(engine, incident)]
    assert site.carry_out(steps) == {"promote_canary": Outcome.FAILED}
    assert scene.admin.find(DEPLOYMENTS, "training", f"patchgap-{incident}-canary-trainer") is None

    newer = "sha256:" + "d" * 64
    path = engine.settings.home / "newer.cdx.json"
    root = {"type": "container", "name": "ml/trainer", "version": newer, "bom-ref": "root"}
    part = {"type": "library", "name": NAME, "version": "1.6.5", "purl": f"pkg:pypi/{NAME}@1.6.5"}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "metadata": {"component": root}, "components": [part]}
    path.write_text(json.dumps(document))
    engine.graph.add_sbom(read_sbom(path, None), engine.clock())
    patch.name_patch(engine, incident, image(newer), "sam")
    assert "start_patched_canary" in site.standing()
    assert scene.admin.find(DEPLOYMENTS, "training", f"patchgap-{incident}-canary-trainer")
    scene.settle()
    assert site.round() == {"promote_canary": Outcome.WAITING}
    with pytest.raises(RefusedError, match="was given up: the canary of contract/training/Deployment/trainer failed"):
        patch.name_patch(engine, incident, image(GOOD), "sam")
    recover.dismiss(engine, incident, "a drill", "dana")
    [left] = scene.admin.all_of(DEPLOYMENTS, "training")
    assert left["spec"]["template"]["spec"]["containers"][0]["image"] == image(BAD)
