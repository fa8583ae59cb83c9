"""The work pool and the deployments of `prefect.yaml`, declared on the server of this process.

The same as `prefect deploy --all`, in the time of a dozen requests; a test holds the two to each other.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from prefect import Flow, get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyOptions
from prefect.exceptions import ObjectNotFound
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker
from ruamel.yaml import YAML

import flows
from patchgap.errors import NotFoundError, UnreachableError

POOL = "patchgap"


def file() -> Path:
    """prefect.yaml: inside the installed package, or beside it in a checkout."""
    package = Path(flows.__path__[0])
    for path in (package / "prefect.yaml", package.parent / "prefect.yaml"):
        if path.is_file():
            return path
    raise NotFoundError("prefect.yaml is in neither the package nor its checkout", "Install patchgap again.")


def deployments() -> list[dict[str, Any]]:
    """What `prefect.yaml` declares."""
    declared: list[dict[str, Any]] = YAML(typ="safe").load(file())["deployments"]
    return declared


def declare(wait_seconds: float = 120) -> tuple[str, ...]:
    """Makes the pool and every deployment; their names. Again, it brings them up to date.

    Raises UnreachableError where the server does not answer in time."""
    with get_client(sync_client=True) as client:
        _wait(client, wait_seconds)
        ensure_pool(client)
        return tuple(_declare(client, one) for one in deployments())


def _wait(client: SyncPrefectClient, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (problem := client.api_healthcheck()) is not None:
        if time.monotonic() > deadline:
            raise UnreachableError(f"the Prefect API does not answer: {problem}", "See that PREFECT_API_URL is right.")
        time.sleep(0.1)


def ensure_pool(client: SyncPrefectClient) -> None:
    """The pool of type `process`, which a stock worker serves as well as ours."""
    try:
        client.read_work_pool(POOL)
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))


def _declare(client: SyncPrefectClient, one: dict[str, Any]) -> str:
    flow: Flow[..., Any] = load_flow_from_entrypoint(one["entrypoint"])
    limit = one.get("concurrency_limit")
    client.create_deployment(
        flow_id=client.create_flow(flow),
        name=one["name"],
        entrypoint=one["entrypoint"],
        description=one["description"],
        tags=one["tags"],
        work_pool_name=one["work_pool"]["name"],
        parameter_openapi_schema=parameter_schema(flow).model_dump(exclude_unset=True),
        enforce_parameter_schema=one["enforce_parameter_schema"],
        concurrency_limit=limit["limit"] if limit else None,
        concurrency_options=ConcurrencyOptions(collision_strategy=limit["collision_strategy"]) if limit else None,
        schedules=[_schedule(s) for s in one.get("schedules", ())],
        pull_steps=[],
    )
    return str(one["name"])


def _schedule(one: dict[str, Any]) -> DeploymentScheduleCreate:
    rest = {k: v for k, v in one.items() if k not in ("slug", "active")}
    return DeploymentScheduleCreate.model_validate({"schedule": rest, "active": one["active"], "slug": one["slug"]})
