"""One `patchgap up` for all tests of this folder: a real server, a warm worker and the receiver."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.runtime.address import PrefectAddress
from tests.flows.running import Up, processes_of, start_up, wait_until


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Stopped as a person stops it, and nothing of it may be left."""
    home = tmp_path_factory.mktemp("up")
    with start_up(home) as process:
        text = ""
        while not text.endswith("}\n"):
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                pytest.fail(f"up ended: {process.communicate()[1]}")
            text += line
        printed = json.loads(text)
        auth = (home / "prefect" / "sign-in").read_text().strip()
        yield Up(process, home, printed, PrefectAddress(printed["prefect_api"], auth))
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0, "Ctrl-C ends it cleanly"
        assert wait_until(lambda: not processes_of(home), 5), processes_of(home)


@pytest.fixture
def client(up: Up) -> Iterator[SyncPrefectClient]:
    """Prefect's own client on that server."""
    with (
        temporary_settings({PREFECT_API_URL: up.address.api_url, PREFECT_API_AUTH_STRING: up.address.auth}),
        get_client(sync_client=True) as opened,
    ):
        yield opened
