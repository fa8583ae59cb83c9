"""How the command line runs a flow: as a deployment's run where a Prefect API is, else in this process.

Its result is the run's last state; what came of the incident is read from the ledger.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.runtime.address import PrefectAddress, configured
from flows.runtime.server import PrefectServer, running
from patchgap.errors import UnreachableError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

POLL_SECONDS = 0.3
DRAIN_SECONDS = 20.0
QUIET = {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL"}  # the story is told from the ledger


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that ended. `message` is its state's, a sentence for a person."""

    flow: str
    run: str
    state: str
    message: str

    @property
    def completed(self) -> bool:
        """False for failed, crashed and cancelled."""
        return self.state == "COMPLETED"


def address_of(home: Path, environ: Mapping[str, str] = os.environ) -> PrefectAddress | None:
    """The server to use: the configured one, else the one that `patchgap up` runs on that home, else None."""
    return configured(environ) or running(home / "prefect")


def run(
    flow: str,
    parameters: Mapping[str, object],
    home: Path,
    *,
    tags: Sequence[str] = (),
    here: bool = False,
    once: str = "",
) -> Ran:
    """Runs the flow to its end, `here` in this process whatever server there is. At a server, a run with the key `once`
    that has not ended is followed instead of a second one. Raises UnreachableError where a server is meant but does not
    answer."""
    address = address_of(home)
    if address is None:
        return _alone(flow, parameters, PrefectServer(home / "prefect"))
    if here:
        return _ran(flow, _loaded(flow, address), parameters)
    os.environ.update(address.environ() | QUIET)
    return _there(flow, parameters, address, tags, once)


def _alone(flow: str, parameters: Mapping[str, object], server: PrefectServer) -> Ran:
    """With a server for this run alone. Both it and this process take seconds to import Prefect: at the same time."""
    with ExitStack() as ending:
        ending.callback(server.stop)
        server.launch()
        loaded = _loaded(flow, server.address)
        server.wait()
        try:
            return _ran(flow, loaded, parameters)
        finally:
            _send_the_rest()


def _loaded(flow: str, address: PrefectAddress) -> Any:
    """The flow itself, of that name; nothing is asked of the server yet."""
    os.environ.update(address.environ() | QUIET)  # before Prefect is imported: it settles its settings then
    from prefect.flows import load_flow_from_entrypoint

    from flows.runtime.declare import deployments

    return load_flow_from_entrypoint(next(d["entrypoint"] for d in deployments() if d["name"] == flow))


def _ran(flow: str, loaded: Any, parameters: Mapping[str, object]) -> Ran:
    from flows.runtime.heartbeat import without_heartbeats

    with without_heartbeats():
        state = loaded(**parameters, return_state=True)
    run_id = state.state_details.flow_run_id
    return Ran(flow, str(run_id), state.type.value, state.message or state.name)


def _send_the_rest() -> None:
    """Sends what Prefect still holds of logs and events while the server runs. Left to the interpreter's exit, they
    would be tried for minutes against a server that is gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=DRAIN_SECONDS)


def _there(flow: str, parameters: Mapping[str, object], address: PrefectAddress, tags: Sequence[str], once: str) -> Ran:
    import httpx
    from prefect.exceptions import PrefectException

    from flows.runtime.starter import PrefectStarter

    starter = PrefectStarter(address)
    run_id = starter.start(flow, parameters, once or _key(), tags)
    try:
        with starter.client() as client:
            if once and _state(client, run_id).is_final():  # of a time before: what is asked now is asked anew
                run_id = starter.start(flow, parameters, _key(), tags)
            while not (state := _state(client, run_id)).is_final():
                time.sleep(POLL_SECONDS)
            return Ran(flow, run_id, state.type.value, state.message or state.name or "")
    except (httpx.HTTPError, PrefectException) as error:
        raise UnreachableError(
            f"the Prefect API stopped answering while {flow} ran",
            f"The run goes on: {address.ui_url}/runs/flow-run/{run_id}; the ledger holds what it did.",
        ) from error


def _key() -> str:
    return f"cli-{uuid.uuid4()}"


def _state(client: SyncPrefectClient, run_id: str) -> State[Any]:
    """The run's; before the server gave it one, that it is scheduled."""
    from prefect.states import Scheduled

    return client.read_flow_run(uuid.UUID(run_id)).state or Scheduled()
