"""moto's server over a real socket, one a process; each test has an empty account of its own on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aws_estate import REGION, Estate
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer
from played import played
from wire import WIRE, Wire, hooked


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with hooked(), played():
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def wire() -> Wire:
    WIRE.clear()
    WIRE.cut_after = 0
    return WIRE


@pytest.fixture
def estate(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estate:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "a-secret-that-no-log-may-hold",
        "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"), "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    httpx.post(f"{moto}/moto-api/reset", trust_env=False, timeout=60)
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 1 << 30})  # no task stops by itself
    return Estate(moto, tmp_path)
