"""What `prefect.yaml` declares, as a real server stores it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.cli.deploy._models import DeploymentConfig, PrefectYamlModel, RawScheduleConfig
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.workers.process import ProcessWorker
from ruamel.yaml import YAML

from flows.runtime.declare import deployments, file
from tests.flows.running import ROOT, Up, run, wait_until

STAGES = ["detect", "respond", "scope", "contain", "approve", "verify", "recover", "patch-window"]
ALL = [*STAGES, "refresh-inventory", "verify-open-incidents"]
TOLD = [
    "entrypoint",
    "description",
    "tags",
    "work_pool_name",
    "parameter_openapi_schema",
    "enforce_parameter_schema",
    "pull_steps",
    "concurrency_options",
    "path",
]


def stored(client: SyncPrefectClient, name: str) -> Any:
    """A deployment as the server holds it."""
    return client.read_deployment_by_name(f"{name}/{name}")


def told(client: SyncPrefectClient, name: str) -> dict[str, Any]:
    """What of a deployment a person or a worker acts on."""
    held = stored(client, name)
    limit = held.global_concurrency_limit.limit if held.global_concurrency_limit else None
    schedules = [(s.slug, s.active, s.schedule.model_dump(exclude={"anchor_date"})) for s in held.schedules]
    return {key: getattr(held, key) for key in TOLD} | {"limit": limit, "schedules": schedules}


def test_every_key_is_one_that_prefect_knows() -> None:
    """Prefect ignores an unknown key in silence; here it is an error."""
    document = YAML(typ="safe").load(file())
    assert set(document) <= {*PrefectYamlModel.model_fields, "prefect-version", "definitions"}
    for one in document["deployments"]:
        assert set(one) <= set(DeploymentConfig.model_fields), one["name"]
        for schedule in one.get("schedules", ()):
            assert set(schedule) <= set(RawScheduleConfig.model_fields), one["name"]
    assert [one["name"] for one in deployments()] == ALL


def test_the_command_and_up_declare_the_same(up: Up, client: SyncPrefectClient) -> None:
    """`prefect --no-prompt deploy --all` from the checkout leaves each deployment just as `patchgap up` made it."""
    before = {name: told(client, name) for name in ALL}
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = run(command, up.environ(), ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    after = {name: told(client, name) for name in ALL}
    assert {n: [k for k in after[n] if after[n][k] != before[n][k]] for n in ALL} == {n: [] for n in ALL}


def test_the_schedules_stand(client: SyncPrefectClient, up: Up) -> None:
    """The inventory is read hourly, and open incidents are verified every five minutes, one run at a time."""
    hourly, often = (stored(client, name) for name in ("refresh-inventory", "verify-open-incidents"))
    assert hourly.schedules[0].schedule.cron == "7 * * * *"
    assert often.schedules[0].schedule.interval.total_seconds() == 300
    assert all(d.schedules[0].active and d.global_concurrency_limit.limit == 1 for d in (hourly, often))


def test_a_schedule_makes_runs(client: SyncPrefectClient, up: Up) -> None:
    """The server's scheduler works: with some SQLAlchemy versions it fails in its log alone, and nothing ever runs."""
    deployment = stored(client, "verify-open-incidents").id
    wanted = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
    assert wait_until(lambda: bool(client.read_flow_runs(deployment_filter=wanted)), 45)


@pytest.mark.parametrize("name", ALL)
def test_every_field_of_a_form_explains_itself(client: SyncPrefectClient, up: Up, name: str) -> None:
    """Each parameter has a title and a description, and a default or an example."""
    schema = stored(client, name).parameter_openapi_schema
    for field, says in schema["properties"].items():
        assert says["title"] != field, field
        assert says["description"].endswith("."), field
        assert "default" in says or says["examples"], field


BAD: list[tuple[str, dict[str, Any]]] = [
    *((name, {"incident": "not-an-incident"}) for name in STAGES if name != "detect"),
    ("scope", {}),
    ("contain", {"incident": "inc-20261124-7k3f", "plan_only": "perhaps"}),
    ("recover", {"incident": "inc-20261124-7k3f'; DROP TABLE"}),
    ("detect", {"signal": "sig-{{ secrets }}"}),
    ("detect", {"package": "pytorch-lightning", "versions": ["1.5.2"]}),
    ("detect", {"package": "PyPI/x", "versions": ["1 5"]}),
    ("detect", {"severity": "dreadful"}),
    ("detect", {"epss": 7}),
    ("detect", {"reported_by": ""}),
]


@pytest.mark.parametrize(("name", "parameters"), BAD)
def test_the_api_refuses_a_bad_value(client: SyncPrefectClient, up: Up, name: str, parameters: dict[str, Any]) -> None:
    """What the form's schema does not take makes no run, whoever asks the API."""
    url = f"{up.address.api_url}/deployments/{stored(client, name).id}/create_flow_run"
    user, _, password = up.address.auth.partition(":")
    token = client.request("GET", "/csrf-token", params={"client": "11111111-1111-4111-8111-111111111111"}).json()
    csrf = {"Prefect-Csrf-Token": token["token"], "Prefect-Csrf-Client": token["client"]}
    answer = httpx.post(url, json={"parameters": parameters}, auth=(user, password), headers=csrf, timeout=60)
    assert answer.status_code in (409, 422), answer.text


def test_a_stock_worker_runs_them_from_a_foreign_folder(up: Up, client: SyncPrefectClient, tmp_path: Path) -> None:
    """`prefect worker start` in a folder with a flows/ of its own runs ours."""
    foreign = tmp_path / "flows"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("raise RuntimeError('the foreign one')")
    template = ProcessWorker.get_default_base_job_template()
    client.create_work_pool(WorkPoolCreate(name="stock", type="process", base_job_template=template))
    held = stored(client, "refresh-inventory")
    copy = client.create_deployment(
        held.flow_id, "stock", entrypoint=held.entrypoint, pull_steps=held.pull_steps, work_pool_name="stock"
    )
    made = client.create_flow_run_from_deployment(copy)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "stock", "--run-once"]
    done = run(command, up.environ(), tmp_path)
    state = client.read_flow_run(made.id).state
    assert state is not None
    assert state.is_completed(), done.stdout + done.stderr
