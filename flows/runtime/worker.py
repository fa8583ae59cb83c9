"""A process worker that forks each run from a warm process instead of starting a fresh interpreter.

A stock worker pays 4 to 10 seconds of imports a run. This one serves the same pool of type `process` and the same
deployments, with the same isolation: a run is a process, a crash is that run's alone, a cancellation kills it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.abc
from prefect.runner._flow_run_executor import FlowRunExecutorContext
from prefect.runner._process_manager import ProcessHandle
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult

from flows.runtime.asked import Listening
from patchgap.errors import PatchgapError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.runner._control_channel import ControlChannel

POOL = "patchgap"
LOOK_SECONDS = 0.05
LOOKS = 60  # between two questions to a server that tells


class WarmWorker(ProcessWorker):
    """Serves a process pool from a fork server. One executor context (one event socket) serves all runs."""

    type = "patchgap-warm"

    def __init__(self, *given: Any, listening: Listening | None = None, **named: Any) -> None:
        super().__init__(*given, **named)
        self._listening = listening
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload(["flows.runtime.warm"])

    async def __aenter__(self) -> Self:
        self._shared = AsyncExitStack()
        self._executors = await self._shared.enter_async_context(FlowRunExecutorContext())
        await super().__aenter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:  # noqa: PYI036  (as the base class has it)
        await super().__aexit__(*exc_info)
        await self._shared.__aexit__(*exc_info)

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Asks the server for runs. One that tells of what is asked for is asked when it told, and now and then for what
        is scheduled."""
        for _ in range(LOOKS):
            if self._listening is None or self._listening.heard():
                break
            await anyio.sleep(LOOK_SECONDS)
        return await super().get_and_submit_flow_runs()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Forks, and returns when the run's process has ended."""
        started = task_status or anyio.TASK_STATUS_IGNORED
        starter = _WarmStarter(self, configuration, self._executors.control_channel)
        executor = self._executors.create_executor(flow_run, starter, hook_runner=_NoHooks(), propose_submitting=False)
        result = None

        async def execute(*, task_status: anyio.abc.TaskStatus[ProcessHandle] = anyio.TASK_STATUS_IGNORED) -> None:
            nonlocal result
            result = await executor.submit(task_status=task_status)

        async with anyio.create_task_group() as group:
            handle = await group.start(execute)
            started.started(handle.pid)
        if result is None or result.status_code is None:
            raise RuntimeError(f"the process of {flow_run.name} ended without an exit code")
        return ProcessWorkerResult(status_code=result.status_code, identifier=str(result.handle.pid))

    def fork(self, target: Any, arguments: tuple[Any, ...]) -> Any:
        """A process out of the fork server, which warms up at the first."""
        process = self._forks.Process(target=target, args=arguments)
        process.start()
        return process


WarmWorker.type = "process"  # the type of the pool that it serves, said after the registry of types was told another


class _WarmStarter:
    """Starts one run's process and stays until it has ended (Prefect's ProcessStarter)."""

    def __init__(self, worker: WarmWorker, configuration: ProcessJobConfiguration, channel: ControlChannel) -> None:
        self._worker = worker
        self._configuration = configuration
        self._channel = channel

    async def start(
        self, flow_run: FlowRun, task_status: anyio.abc.TaskStatus[ProcessHandle] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        port, token = self._channel.register(flow_run.id)
        told = {k: v for k, v in self._configuration.env.items() if v is not None and os.environ.get(k) != v}
        told |= {
            "PREFECT__FLOW_RUN_ID": str(flow_run.id),
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
            "PREFECT__CONTROL_PORT": str(port),
            "PREFECT__CONTROL_TOKEN": token,
        }
        process = self._worker.fork(run_forked, (told,))
        task_status.started(ProcessHandle(process))
        await anyio.to_thread.run_sync(process.join)


def run_forked(environ: dict[str, str]) -> None:
    """In the fork: the warm module is imported already."""
    from flows.runtime.warm import run

    run(environ)


def declare_forked(ready: str) -> None:
    """In a fork, where the flows are imported already and the server may still be starting."""
    from flows.runtime.declare import declare

    try:
        declare()
    except PatchgapError as error:
        Path(ready).write_text(str(error), encoding="utf-8")
        raise SystemExit(error.exit_code) from error


class _NoHooks:
    """patchgap's flows have no hooks: a kill runs none anyway, and the ledger is what recovers."""

    async def run_cancellation_hooks(self, flow_run: FlowRun, state: State) -> None:
        """Nothing is hooked on a cancellation."""

    async def run_crashed_hooks(self, flow_run: FlowRun, state: State) -> None:
        """Nothing is hooked on a crash."""


def main(ready: Path, asked: Path | None = None) -> None:
    """Declares the deployments and serves the pool until the process is told to end. `ready` is written when it does:
    "ready", or why it never will be. `asked` is the file by which the server tells of runs; None where it does not."""
    asyncio.run(_serve(ready, Listening(asked) if asked else None))


async def _serve(ready: Path, listening: Listening | None) -> None:
    named = {"work_pool_name": POOL, "name": f"patchgap-{os.getpid()}"}
    worker = WarmWorker(**named, prefetch_seconds=1, listening=listening)
    declaring = worker.fork(declare_forked, (str(ready),))
    await asyncio.to_thread(declaring.join)
    if declaring.exitcode:
        raise SystemExit(declaring.exitcode)

    def tell(_line: str) -> None:
        ready.write_text("ready", encoding="utf-8")

    await worker.start(printer=tell)
