"""The worker asks the server for runs when one was asked for there, and seldom besides."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from prefect.workers.process import ProcessWorker

from flows.runtime import worker
from flows.runtime.asked import Listening, Telling


def heard_while_answered(file: Path, path: str) -> bool:
    """A request to the server behind `file`, and whether it was told of before it was answered."""
    listening, heard = Listening(file), list[bool]()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        heard.append(listening.heard())

    async def nothing(*_: Any) -> Any:
        return {}

    asyncio.run(Telling(app, file)({"type": "http", "path": path}, nothing, nothing))
    return heard == [True]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/api/deployments/d1/create_flow_run", True),
        ("/api/flow_runs/r1/resume", True),
        ("/api/flow_runs/filter", False),
        ("/api/work_pools/patchgap/get_scheduled_flow_runs", False),
    ],
)
def test_a_run_that_is_asked_for_is_told_once_it_is_stored(tmp_path: Path, path: str, *, told: bool) -> None:
    """What only reads, the worker's own question among it, tells nothing: it would ask for ever."""
    file = tmp_path / "asked"
    assert not heard_while_answered(file, path)
    listening = Listening(file)
    assert (listening.heard(), listening.heard()) == (told, False)


def test_the_worker_asks_as_soon_as_it_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However seldom it asks by itself."""
    asked: list[str] = []

    async def ask(_worker: ProcessWorker) -> list[Any]:
        asked.append("asked")
        return []

    monkeypatch.setattr(ProcessWorker, "get_and_submit_flow_runs", ask)
    monkeypatch.setattr(worker, "LOOKS", 1_000_000)
    file = tmp_path / "asked"

    async def serve() -> None:
        warm = worker.WarmWorker(work_pool_name="patchgap", listening=Listening(file))
        question = asyncio.create_task(warm.get_and_submit_flow_runs())
        await asyncio.sleep(0)
        assert not asked
        file.touch()
        await asyncio.wait_for(question, 60)

    asyncio.run(serve())
    assert asked == ["asked"]
