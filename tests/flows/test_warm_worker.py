"""The warm worker and the starter, against a real server."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from flows.runtime.address import PrefectAddress
from flows.runtime.starter import PrefectStarter
from patchgap.errors import NotFoundError, UnreachableError
from tests.flows import sleeper
from tests.flows.running import Up, wait_until


@pytest.fixture
def started(up: Up, client: SyncPrefectClient) -> object:
    """Starts a run of one of the test's own flows on the warm worker."""

    def start(flow: object, **parameters: object) -> FlowRun:
        name = flow.name  # type: ignore[attr-defined]
        deployment = client.create_deployment(
            client.create_flow(flow),  # type: ignore[arg-type]
            name,
            entrypoint=f"tests.flows.sleeper.{name}",
            work_pool_name="patchgap",
            pull_steps=[],
        )
        return client.create_flow_run_from_deployment(deployment, parameters=parameters)

    return start


def ended(client: SyncPrefectClient, run: UUID, seconds: float = 60) -> FlowRun:
    """The run when it is over."""
    assert wait_until(lambda: (s := client.read_flow_run(run).state) is not None and s.is_final(), seconds)
    return client.read_flow_run(run)


def test_four_runs_at_the_same_time(client: SyncPrefectClient, started: object) -> None:
    """The worker runs several runs side by side, each in a process of its own."""
    runs = [started(sleeper.nap, seconds=8.0) for _ in range(4)]  # type: ignore[operator]
    done = [ended(client, run.id) for run in runs]
    assert {r.state_name for r in done} == {"Completed"}
    assert max(r.start_time for r in done) < min(r.end_time for r in done)
    assert len({r.infrastructure_pid for r in done}) == 4


def test_a_crash_is_one_runs_alone(client: SyncPrefectClient, started: object) -> None:
    """A run whose process dies is Crashed, and the worker runs the next."""
    assert ended(client, started(sleeper.die).id).state_name == "Crashed"  # type: ignore[operator]
    assert ended(client, started(sleeper.nap).id).state_name == "Completed"  # type: ignore[operator]


def test_a_cancellation_ends_the_process(client: SyncPrefectClient, started: object) -> None:
    """A run that is cancelled in the UI is killed within seconds."""
    run = started(sleeper.nap, seconds=120.0)  # type: ignore[operator]
    assert wait_until(lambda: client.read_flow_run(run.id).state_name == "Running", 60)
    client.set_flow_run_state(run.id, Cancelling())
    assert ended(client, run.id, 20).state_name == "Cancelled"


def test_one_key_is_one_run_with_its_tags(up: Up, client: SyncPrefectClient) -> None:
    """Starting a flow twice with one key starts one run, tagged as asked; it fails with a sentence, not a traceback."""
    starter = PrefectStarter(up.address)
    given = {"incident": "inc-20261124-aaaa"}
    ids = {starter.start("scope", given, "the-same-key", tags=("inc-20261124-aaaa",)) for _ in range(2)}
    assert len(ids) == 1
    run = ended(client, UUID(ids.pop()))
    assert {"inc-20261124-aaaa", "patchgap"} <= set(run.tags)
    assert run.name == "scope inc-20261124-aaaa"
    assert run.state is not None
    assert run.state.is_failed()
    assert "inc-20261124-aaaa" in str(run.state.message)
    assert "Traceback" not in str(run.state.message)
    assert wait_until(lambda: not Path(f"/proc/{run.infrastructure_pid}").exists(), 60)  # all that it logs is sent
    logged = [one.message for one in client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))]
    assert any("Finished in state Failed" in message for message in logged), logged
    assert not any("Traceback" in message for message in logged)


def test_a_form_started_run_is_tagged_too(up: Up, client: SyncPrefectClient) -> None:
    """A run that carries no tag when it is made carries its incident's id when it has run."""
    deployment = client.read_deployment_by_name("verify/verify")
    run = client.create_flow_run_from_deployment(deployment.id, parameters={"incident": "inc-20261124-bbbb"})
    assert "inc-20261124-bbbb" in ended(client, run.id).tags


def test_no_server_is_unreachable_and_no_deployment_is_not_found(up: Up) -> None:
    """The receiver can tell what to try again later from what to mend."""
    with pytest.raises(UnreachableError):
        PrefectStarter(PrefectAddress("http://127.0.0.1:9/api"), retries=0).start("detect", {}, "k")
    with pytest.raises(NotFoundError, match=r"prefect --no-prompt deploy --all"):
        PrefectStarter(up.address).start("no-such-flow", {}, "k")


def test_a_wrong_password_is_unreachable(up: Up) -> None:
    """Nothing of a wrong password is repeated in the error."""
    with pytest.raises(UnreachableError) as caught:
        PrefectStarter(PrefectAddress(up.address.api_url, "patchgap:hunter2"), retries=0).start("detect", {}, "k")
    assert "hunter2" not in str(caught.value)
