"""One `patchgap up` for all tests of this folder: a real server, a warm worker and the receiver."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from flows.drill.scenario import load
from flows.drill.stage import settings_for
from flows.drill.world import World
from flows.runtime.address import PrefectAddress
from tests.flows.running import Up, addresses, processes_of, start_up, wait_until
from tests.order import asks_for_up


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose path has a space, as a person's may."""
    return tmp_path_factory.mktemp("the home of up")


@pytest.fixture(scope="session")
def world(home: Path) -> Iterator[World]:
    """The rehearsal cluster, metrics source and ticket sink that `up` is configured for."""
    scenario = load("compromised-dependency")
    with World(home, scenario) as started:
        settings_for(scenario, home, started)
        yield started


class Held:
    """The one `up` of a process, while tests ask for it: an idle one takes memory, and time of the processor."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._up: Up | None = None

    def running(self, home: Path) -> Up:
        """Started where it does not run."""
        if self._up is None:
            self._up = self._open.enter_context(_whole(home))
        return self._up

    def stop(self) -> None:
        """As a person stops it."""
        self._up = None
        self._open.close()


@contextmanager
def _whole(home: Path) -> Iterator[Up]:
    """Stopped by Ctrl-C, and nothing of it may be left."""
    with start_up(home) as process:
        printed = addresses(process)
        auth = (home / "prefect" / "sign-in").read_text().strip()
        yield Up(process, home, printed, PrefectAddress(printed["prefect_api"], auth))
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0, "Ctrl-C ends it cleanly"
        assert wait_until(lambda: not processes_of(home), 20), processes_of(home)


HELD = Held()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After the last test in a row that asks for `up`, it is stopped."""
    yield
    if asks_for_up(item) and not (nextitem and asks_for_up(nextitem)):
        HELD.stop()


@pytest.fixture(scope="module")
def up(home: Path, world: World) -> Up:
    """One for all files whose tests follow each other."""
    return HELD.running(home)


@pytest.fixture
def client(up: Up) -> Iterator[SyncPrefectClient]:
    """Prefect's own client on that server."""
    with (
        temporary_settings({PREFECT_API_URL: up.address.api_url, PREFECT_API_AUTH_STRING: up.address.auth}),
        get_client(sync_client=True) as opened,
    ):
        yield opened
