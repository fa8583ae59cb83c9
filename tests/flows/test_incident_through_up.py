"""The whole loop on a running `patchgap up`: what the commands answer, and how it reads in Prefect's UI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, TaskRun

from flows.drill.world import World
from flows.runtime.starter import PrefectStarter
from tests.flows.loop import ADVISORY, Loop, kinds
from tests.flows.running import PATCHGAP, Up, clean_environ, run


@pytest.fixture(scope="module")
def loop(up: Up, world: World) -> Loop:
    """Played once for all tests of this file, without the scheduled round, which could close the incident first."""
    played = Loop(up, world)
    with without_schedule(up, "verify-open-incidents"):
        played.play()
    return played


@contextmanager
def without_schedule(up: Up, name: str) -> Iterator[None]:
    """The deployment's schedule stands still."""
    with PrefectStarter(up.address).client() as client:
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        (schedule,) = deployment.schedules
        client.update_deployment_schedule(deployment.id, schedule.id, active=False)
        try:
            yield
        finally:
            client.update_deployment_schedule(deployment.id, schedule.id, active=True)


def tagged_flow_runs(client: SyncPrefectClient, incident: str) -> list[FlowRun]:
    """Every flow run that carries the incident's id."""
    return client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[incident])), limit=200)


def tagged_task_runs(client: SyncPrefectClient, incident: str) -> list[TaskRun]:
    """Every task run that carries the incident's id."""
    return client.read_task_runs(task_run_filter=TaskRunFilter(tags=TaskRunFilterTags(all_=[incident])), limit=200)


def test_every_command_answers_with_its_exit_code(loop: Loop) -> None:
    """0 for what was done; 1 for the closing that was refused, with every missing proof in its document."""
    assert {name: code for name, code in loop.codes.items() if code} == {"close too early": 1}
    message = loop.said["close too early"][1]["message"]
    for check in ("package_absent", "digests_retired", "credentials_rotated"):
        assert check in message
    assert loop.said["incident close"][1]["state"] == "COMPLETED"


def test_the_story_goes_to_stderr(loop: Loop) -> None:
    """Each missing proof of the refused closing is named once there, after the verdict that missed it: the scheduled
    round may have judged meanwhile as well."""
    lines = [line.split("  ", 2)[-1] for line in loop.said["close too early"][2].splitlines()]
    lines = lines[max(n for n, line in enumerate(lines) if line.startswith("the gate holds")) :]
    for check in ("package_absent", "digests_retired", "credentials_rotated"):
        assert len([line for line in lines if line.startswith(f"missing  {check}")]) == 1, lines
    assert any("closing refused" in line for line in lines)


def test_the_form_is_answered_by_a_second_person_alone(loop: Loop) -> None:
    """A code that is none and the requester's own are refused, told, and asked for again; an empty form is sent back."""
    first, wrong, own = loop.form
    assert "targets wait for a yes" in first
    assert "uid" in first.split()
    assert "no code that patchgap issued" in wrong.replace("\\", "")
    assert "another person than the requester" in own
    assert loop.empty == "REJECT"
    assert set(loop.schema["required"]) == {"decision", "code"}
    assert loop.answered.is_completed(), loop.answered
    shown = loop.patchgap("incident", "show", loop.incident)
    assert shown["state"]["approvals"][0]["approver"] == "dana@example.org"


def test_no_code_is_left_with_prefect(loop: Loop) -> None:
    """What a form got is deleted from Prefect, refused or taken, and stands in no log of a run; each code is spent."""
    assert loop.stored == ""
    left = loop.patchgap("approver", "list")
    assert {one["person"]: one["left"] for one in left} == {"a scanner": 0, "dana@example.org": 0, "kim@example.org": 0}
    logs = "".join(p.read_text(errors="replace") for p in (loop.up.home / "prefect").glob("*.log"))
    assert not [code for code in loop.codes_sent if code in logs]


def test_the_ledger_tells_the_acts_in_order(loop: Loop) -> None:
    """Opened, scoped, planned, contained, refused, mended, proved, released, closed."""
    acts = kinds(loop.up.home, loop.incident)
    order = [
        "opened",
        "scoped",
        "planned",
        "intent_made",
        "receipt_made",
        "evidence_taken",
        "approved",
        "close_refused",
    ]
    order += ["patch_named", "release_intended", "released", "recovered", "closed"]
    first = [acts.index(act) for act in order]
    assert first == sorted(first), acts
    assert [act for act in acts if act != "person_told"][-1] == "closed"  # a round may tell people of the end


def test_the_record_is_whole_and_its_evidence_verifies(loop: Loop, tmp_path: Path) -> None:
    """Ledger, signed bundle and measures, each one document."""
    assert loop.patchgap("ledger", "verify")["holds"]
    bundle = tmp_path / "evidence.json"
    assert loop.patchgap("evidence", "export", loop.incident, "--output", bundle)["file"] == str(bundle)
    assert loop.patchgap("evidence", "export", loop.incident)["payloadType"]
    assert loop.patchgap("evidence", "verify", bundle)["whole"]
    assert loop.patchgap("metrics")["closed"] == 1
    bundle.write_text(bundle.read_text().replace('"payload": "', '"payload": "e'))
    loop.patchgap("evidence", "verify", bundle, called="verify a broken one")
    assert loop.said["verify a broken one"][0] == 1


def test_every_run_of_the_incident_carries_its_tag(loop: Loop, client: SyncPrefectClient) -> None:
    """From any tagged run down, each subflow and each task below it is tagged too; `detect` gets it as it opens it."""
    runs = tagged_flow_runs(client, loop.incident)
    assert {"detect", "respond", "scope", "contain", "verify", "recover"} <= {r.name.split()[0] for r in runs}
    below = TaskRunFilter(tags=None)
    mine = {r.id for r in runs if not r.name.startswith("detect")}
    tasks = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(mine))), task_run_filter=below, limit=200
    )
    assert [t.name for t in tasks if loop.incident not in t.tags] == []
    children = {t.state.state_details.child_flow_run_id for t in tasks if t.state} - {None}
    assert children
    assert children <= {r.id for r in runs}


def test_the_run_graph_reads_as_the_story(loop: Loop, client: SyncPrefectClient) -> None:
    """Names say verb and target, and the incident; none is a function's name with a number."""
    flows = {r.name for r in tagged_flow_runs(client, loop.incident)}
    assert f"respond to {loop.incident}" in flows
    runs = tagged_task_runs(client, loop.incident)
    names = {t.name for t in runs if t.state and not t.state.state_details.child_flow_run_id}  # no subflow's stand-in
    assert {
        f"name what {loop.incident} exposes",
        f"plan {loop.incident}, every target named",
        "isolate_workloads training/Deployment/trainer-v2",
        "check package_absent on kubernetes",
        f"judge the evidence of {loop.incident}",
        "release isolate_workloads training/Deployment/trainer-v2",
        f"close {loop.incident} on its evidence",
    } <= names
    assert [n for n in names if n.rpartition("-")[2] in "0123456789"] == []


def test_plan_exposures_evidence_and_verdict_are_artifacts(loop: Loop, client: SyncPrefectClient) -> None:
    """In the run that made each, told in words and with the incident's id in its key."""
    runs = [r.id for r in tagged_flow_runs(client, loop.incident)]
    wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=runs))
    made = {a.key: a for a in client.read_artifacts(artifact_filter=wanted)}
    keys = {f"{loop.incident}-{what}" for what in ("finding", "exposures", "plan", "evidence", "gate", "close")}
    assert keys <= set(made)
    assert "trainer-v2" in str(made[f"{loop.incident}-exposures"].data)
    assert all(a.description for a in made.values())


def test_a_signal_by_hand_is_one_run_and_is_dismissed(loop: Loop, client: SyncPrefectClient, tmp_path: Path) -> None:
    """`detect --advisory` opens an incident for what runs, by one run that tells what became of it, though the receiver
    looks after what has no run yet; `dismiss` ends it, and nothing stays."""
    file = tmp_path / "advisory.json"
    affected = {"package": {"ecosystem": "PyPI", "name": "torchmetrics"}, "ranges": [{"type": "ECOSYSTEM"}]}
    affected["ranges"][0]["events"] = [{"introduced": "0"}]  # type: ignore[index]
    file.write_text(json.dumps({"id": "BY-HAND-1", "affected": [affected]}))
    ran = loop.patchgap("detect", "--as", "dana", "--advisory", file, "--severity", "critical", called="detect")
    assert loop.said["detect"][0] == 0, loop.said["detect"]
    assert loop.said["detect"][1]["message"].startswith("opened inc-")
    (opened,) = loop.patchgap("incident", "list")
    (signal,) = loop.patchgap("incident", "show", opened["id"])["state"]["signals"]
    assert ran["message"].startswith(f"opened {opened['id']}; ")
    runs = [run for run in tagged_flow_runs(client, signal) if run.name.startswith("detect")]
    assert [(str(run.id), run.idempotency_key) for run in runs] == [(ran["run"], signal)], "as the receiver asks for it"
    again = loop.patchgap("detect", "--as", "dana", "--advisory", file, "--severity", "critical", called="detect again")
    assert again["message"].startswith(f"joined {opened['id']}")
    loop.patchgap("incident", "dismiss", opened["id"], "--why", "a drill of ours", "--as", "dana", called="dismiss")
    assert loop.said["dismiss"][0] == 0, loop.said["dismiss"]
    assert loop.patchgap("incident", "list") == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("incident", "show", "inc-20260101-none"), 2),
        (("incident", "close", "inc-20260101-none"), 2),
        (("detect", "--as", "dana", "--advisory", "no-such-file"), 2),
        (("detect", "--advisory", str(ADVISORY)), 2),
        (("incident", "contain"), 2),
    ],
)
def test_what_cannot_be_done_says_so(up: Up, words: tuple[str, ...], code: int) -> None:
    """A sentence on stderr and the documented exit code, no traceback."""
    done = run([PATCHGAP, *words], clean_environ(PATCHGAP_HOME=str(up.home)), up.home)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr or done.stdout
