"""Where playbooks are found, what a loaded one holds, the schema and the telling."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from playbook_world import Incident, Sees, Verb, verbs
from ruamel.yaml import YAML

from patchgap.errors import NotFoundError
from patchgap.model.plan import Effect
from patchgap.playbook.language import digest
from patchgap.playbook.loader import find, load, load_all, parse, shipped
from patchgap.playbook.problems import PlaybookProblems
from patchgap.playbook.schema import json_schema
from patchgap.playbook.telling import tell, tell_verbs
from patchgap.settings import Settings

HERE = Path(__file__).parent
GOOD = (HERE / "good.yaml").read_text(encoding="utf-8")

SHIPPED = ["compromised-dependency", "stolen-token", "suspicious-runtime", "swapped-image"]


def settings(tmp_path: Path, *folders: Path) -> Settings:
    return Settings(home=tmp_path, database_url="sqlite://", playbooks=folders)


def test_steps_hold_their_line_and_parameters_with_defaults() -> None:
    """A step knows its line, its parameters as the verb takes them, and what the verb says of itself."""
    playbook = parse(GOOD, "good.yaml", verbs())
    freeze, block = playbook.tiers[0].contain[1], playbook.tiers[0].contain[3]
    assert (freeze.line, dict(freeze.parameters)) == (21, {"reach": "affected_namespaces"})
    assert (block.line, dict(block.parameters), block.durations) == (23, {"expires": "30d"}, ("expires",))
    assert playbook.verify.all_of[1].about == "rotate_credentials"
    assert [s.verb for s in playbook.recover] == ["release_isolation", "unfreeze_deployments"]
    assert playbook.tiers[1].approval is not None
    assert playbook.tiers[1].approval.approvers == "security-oncall"


def test_the_shipped_playbooks_lie_beside_the_package(tmp_path: Path) -> None:
    """They are found by name and load with the text that an incident pins."""
    loaded = load_all(settings(tmp_path), verbs())
    assert [p.playbook for p, _ in loaded] == SHIPPED
    for playbook, text in loaded:
        assert find(playbook.playbook, settings(tmp_path)) == shipped() / f"{playbook.playbook}.yaml"
        assert parse(text, "pinned", verbs()) == playbook
    assert len({digest(text) for _, text in loaded}) == len(SHIPPED)


def test_a_configured_playbook_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    """A team's own playbook of the same name is the one that is loaded."""
    mine = tmp_path / "mine"
    mine.mkdir()
    text = (shipped() / "suspicious-runtime.yaml").read_text(encoding="utf-8").replace("version: 3", "version: 8")
    (mine / "suspicious-runtime.yaml").write_text(text, encoding="utf-8")
    loaded = load_all(settings(tmp_path, mine), verbs())
    assert sorted(p.playbook for p, _ in loaded) == SHIPPED
    assert "suspicious-runtime@8" in {p.title for p, _ in loaded}


def test_a_playbook_may_end_in_yml(tmp_path: Path) -> None:
    """It takes the place of the shipped one of its name as well, and is found by name."""
    text = (shipped() / "suspicious-runtime.yaml").read_text(encoding="utf-8").replace("version: 3", "version: 8")
    (tmp_path / "suspicious-runtime.yml").write_text(text, encoding="utf-8")
    (tmp_path / "suspicious-runtime.cases.yml").write_text("cases: []\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no playbook\n", encoding="utf-8")
    held = settings(tmp_path, tmp_path)
    loaded = load_all(held, verbs())
    assert sorted(p.playbook for p, _ in loaded) == SHIPPED
    assert "suspicious-runtime@8" in {p.title for p, _ in loaded}
    assert find("suspicious-runtime", held) == tmp_path / "suspicious-runtime.yml"


def test_a_playbook_in_two_files_of_one_folder_is_a_problem(tmp_path: Path) -> None:
    """Neither hides the other in silence: the problem names both, and the sound one is loaded."""
    text = (shipped() / "suspicious-runtime.yaml").read_text(encoding="utf-8")
    for ending in ("yaml", "yml"):
        (tmp_path / f"suspicious-runtime.{ending}").write_text(text, encoding="utf-8")
    with pytest.raises(PlaybookProblems) as raised:
        load_all(settings(tmp_path, tmp_path), verbs())
    (problem,) = raised.value.problems
    assert problem.file == str(tmp_path / "suspicious-runtime.yml")
    assert "stands in suspicious-runtime.yaml as well" in problem.what
    assert next(p.playbook for p, _ in raised.value.loaded) == "suspicious-runtime"


def test_one_bad_file_is_reported_beside_the_sound_ones(tmp_path: Path) -> None:
    """The problems name the bad file alone, and the sound playbooks come with the error."""
    (tmp_path / "broken.yaml").write_text("playbook: broken\n", encoding="utf-8")
    with pytest.raises(PlaybookProblems) as raised:
        load_all(settings(tmp_path, tmp_path), verbs())
    assert {p.file for p in raised.value.problems} == {str(tmp_path / "broken.yaml")}
    assert [p.playbook for p, _ in raised.value.loaded] == SHIPPED


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    """A misspelt name is told with the one that was meant, a missing folder with its path."""
    with pytest.raises(NotFoundError, match=r"Did you mean suspicious-runtime\?"):
        find("suspicious-runtimes", settings(tmp_path))
    with pytest.raises(NotFoundError, match="none does not exist"):
        find("x", settings(tmp_path, tmp_path / "none"))


def test_the_schema_takes_what_the_loader_takes() -> None:
    """Every sound playbook fits the JSON Schema, which is itself valid."""
    schema = json_schema(verbs())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for path in (HERE / "good.yaml", shipped() / "compromised-dependency.yaml", shipped() / "suspicious-runtime.yaml"):
        assert load(path, verbs())
        assert [e.message for e in validator.iter_errors(YAML(typ="safe", pure=True).load(path))] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- capture_forensics", "- capture_forensic"),
        ("{reach: affected_namespaces}", "{reach: everything}"),
        ("{severity: sev1}", "{severity: sev9}"),
        ("open_incident: {severity: sev1}", "open_incident"),
        ("- package_absent", "- isolate_workloads"),
        ("- release_isolation", "- isolate_workloads"),
        ("expires: 30d", "expires: soon"),
        ("share: 30%", "share: 30"),
        ("malicious: true", "malicious:"),
        ("on: [advisory, integrity]", "on: [advisry]"),
        ("version: 1", "version: 1\ncolour: red"),
    ],
)
def test_the_schema_refuses_what_an_editor_can_see(old: str, new: str) -> None:
    """An editor with the schema marks wrong verbs, parameters, values and keys."""
    assert old in GOOD
    document = YAML(typ="safe", pure=True).load(GOOD.replace(old, new, 1))
    assert not Draft202012Validator(json_schema(verbs())).is_valid(document)


def test_the_telling_names_every_step_and_what_stays() -> None:
    """Each verb's effect and inverse are told; what recover does not release is listed as staying."""
    told = {s.heading: "\n".join(line for _, line in s.lines) for s in tell(parse(GOOD, "g", verbs()), verbs())}
    tier = told["Tier 1: workloads where the severity is critical and the data scope is sensitive"]
    assert "undone by unfreeze_deployments" in tier
    assert "cannot be undone" in tier
    assert "Runs at once" in tier
    assert (
        "security-oncall"
        in told["Tier 2: workloads where the severity is critical or high and it has privileged rights"]
    )
    assert "block_artifacts: until someone releases it; a person is called after 30d" in told["What stays"]
    assert "isolate_workloads" not in told["What stays"]
    assert "credentials_rotated, where rotate_credentials was planned" in told["What proves that it is over"]


def test_what_the_verbs_do_is_told_once_each() -> None:
    """With their permissions, however many tiers have them; the tiers themselves are without."""
    made = parse(GOOD, "g", verbs())
    steps, checks = tell_verbs(made, verbs())
    assert [line for depth, line in steps.lines if not depth] == list(
        dict.fromkeys(s.verb for t in made.tiers for s in t.contain)
    )
    assert [line for depth, line in checks.lines if not depth] == [s.verb for s in made.verify.all_of]
    assert (1, "needs: get,patch apps/deployments") in steps.lines
    assert not [line for s in tell(made, verbs()) for _, line in s.lines if "needs: " in line]


def test_a_verb_on_two_platforms_takes_what_both_take() -> None:
    """Parameters are held to every platform's model, so that a plan never fails on the second."""
    registry = verbs()
    actions = dict(registry.actions)
    aws = Verb("isolate_workloads", Effect.REVERSIBLE, "release_isolation", platform="aws", parameters=Incident)
    actions["isolate_workloads"] = {**actions["isolate_workloads"], "aws": aws}
    with pytest.raises(PlaybookProblems, match="`severity` of isolate_workloads is missing"):
        parse(GOOD, "g", type(registry)(actions, registry.checks))


def test_a_check_that_says_nothing_of_an_action_is_about_none() -> None:
    """`about` is optional: a check class without it is always required."""
    registry = verbs()
    bare = Sees("package_absent")
    del bare.about
    made = parse(
        GOOD, "g", type(registry)(registry.actions, {**registry.checks, "package_absent": {"kubernetes": bare}})
    )
    assert made.verify.all_of[0].about == ""
