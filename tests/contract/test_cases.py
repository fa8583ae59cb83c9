"""The case files of the Kubernetes actions and checks, each run on the control plane; an action runs twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML
from scene import BAD, GOOD, HOME, Scene, account, deployment, image, namespace, template

from patchgap import registry
from patchgap.errors import WaitingError
from patchgap.model.plan import Outcome, Target, Uncovered
from patchgap.ports import Situation

FOLDER = Path(__file__).parents[1] / "cases" / "kubernetes"
PLATFORM = "kubernetes"
REGISTRY = registry.load()
ACTIONS = {verb: by[PLATFORM] for verb, by in REGISTRY.actions.items() if PLATFORM in by}
CHECKS = {verb: by[PLATFORM] for verb, by in REGISTRY.checks.items() if PLATFORM in by}
FILES = {p.stem: YAML(typ="safe").load(p) for p in sorted(FOLDER.glob("*.yaml"))}
ACTION_CASES = [(v, c) for v, f in FILES.items() if v in ACTIONS for c in f["cases"]]
CHECK_CASES = [(v, c) for v, f in FILES.items() if v in CHECKS for c in f["cases"]]


def test_every_verb_has_a_case_file() -> None:
    """Each action and check of the platform has its cases, and each file is about a verb that exists."""
    assert set(FILES) == set(ACTIONS) | set(CHECKS)
    assert all(f["verb"] == stem and f["cases"] for stem, f in FILES.items())


@pytest.fixture
def scene(control_plane: Any, tmp_path: Path) -> Scene:
    """The affected trainer with its account."""
    made = Scene(control_plane, tmp_path)
    made.make(namespace(), namespace(HOME), account(), deployment(serviceAccountName="trainer"))
    return made


@pytest.mark.parametrize(("verb", "case"), ACTION_CASES, ids=lambda v: v if isinstance(v, str) else v["name"])
def test_an_action_does_as_its_case_says(scene: Scene, verb: str, case: Mapping[str, Any]) -> None:
    """Preview, receipt and uncovered workloads are as the case has them, and a second run changes nothing."""
    action, expect = ACTIONS[verb], case.get("expect", {})
    if "refuses" in case:
        before = scene.versions()
        with pytest.raises(ValidationError, match=case["refuses"]):
            action.parameters.model_validate(case["parameters"])
        assert scene.versions() == before
        return
    parameters, situation = dict(case.get("parameters", {})), staged(scene, case)
    parsed = action.parameters.model_validate(parameters)
    found = list(action.targets(parsed, situation))
    targets = [t for t in found if isinstance(t, Target)]
    said(expect.get("uncovered", ()), [u.reason for u in found if isinstance(u, Uncovered)])
    assert len(targets) == expect.get("targets", 0 if "uncovered" in expect else 1)
    said(expect.get("changes", ()), [line for t in targets for line in action.preview(parsed, t, situation)])
    if "waits" in expect:
        waits_for(expect["waits"], scene, lambda: [scene.intent(action, t, situation, **parameters) for t in targets])
        return
    intents = [scene.intent(action, t, situation, **parameters) for t in targets]
    receipts = [action.apply(i, situation) for i in intents]
    assert {r.outcome for r in receipts} <= {Outcome.DONE}
    said(expect.get("detail", ()), [line for r in receipts for line in r.detail])
    scene.settle()
    before = scene.versions()
    for intent in intents:
        action.apply(intent, situation)
    scene.settle()
    assert scene.versions() == before


@pytest.mark.parametrize(("verb", "case"), CHECK_CASES, ids=lambda v: v if isinstance(v, str) else v["name"])
def test_a_check_sees_as_its_case_says(scene: Scene, verb: str, case: Mapping[str, Any]) -> None:
    """Verdict and reasons are as the case has them, and looking writes nothing."""
    check, situation = CHECKS[verb], staged(scene, case)
    before = scene.versions()
    [found] = check.observe(check.parameters.model_validate(case.get("parameters", {})), situation)
    assert found.verdict.value == case["expect"]["verdict"], found.reasons
    said(case["expect"]["reasons"], found.reasons)
    assert scene.versions() == before


def waits_for(words: Any, scene: Scene, find: Callable[[], Any]) -> None:
    """It waits, in these words, and has begun nothing."""
    before = scene.versions()
    with pytest.raises(WaitingError) as waits:
        find()
    said(words, [str(waits.value)])
    assert scene.versions() == before


def staged(scene: Scene, case: Mapping[str, Any]) -> Situation:
    """The case's workloads made, and the situation with its exposed ones."""
    for named, given in case.get("given", {}).items():
        scene.make(made(named, **given))
    exposed = [scene.workload(n.split("/")[1], n.split("/")[0]) for n in case.get("affected", ())]
    affected = case.get("digests", [BAD])
    patched = [{"good": GOOD}[d] for d in case.get("patched", ())]
    return scene.situation(*exposed, affected=affected, clean={GOOD, BAD} - set(affected), patched=patched)


def made(named: str, image: str, replicas: int = 1, spec: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The manifest of `Kind/name`."""
    kind, name = named.split("/")
    picture = {"bad": of(BAD), "good": of(GOOD)}.get(image, image)
    if kind == "Pod":
        bare = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "training"}}
        return {**bare, "spec": template(name, picture, **(spec or {}))["spec"]}
    return deployment(name, picture, replicas, **(spec or {}))


def of(digest: str) -> str:
    """The trainer's image with that digest."""
    return image(digest)


def said(words: Any, lines: Any) -> None:
    """Each of the words stands in a line."""
    for word in words:
        assert any(word in line for line in lines), (word, lines)
