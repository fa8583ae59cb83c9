"""The databases that the store is tested on, SQLite and a real PostgreSQL; and the order in which tests run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from patchgap import storage
from tests import order, schema_copy
from tests.postgres import Postgres, server

os.environ.pop("COLUMNS", None)  # a worker has it from readline, which pytest imports
os.unsetenv("COLUMNS")  # and where readline set it, os.environ knows nothing of it
settings.register_profile("untimed", deadline=None)  # how long an example takes is the machine's load, not a defect
settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> order.InRows | None:
    """For `--dist loadfile`."""
    return order.InRows(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After they were shuffled."""
    items.sort(key=order.place)


@pytest.fixture(scope="session", autouse=True)
def _schema_copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """New SQLite databases of this process start as a copy of one that was migrated."""
    with schema_copy.installed(tmp_path_factory.mktemp("schema")):
        yield


@pytest.fixture
def every_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test of the migrations: each database goes through all of them."""
    monkeypatch.setattr(storage, "_upgrade", schema_copy.real_upgrade)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a process, started for the first that asks for it."""
    with server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database at the current schema, or a path where SQLite will make one."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'patchgap.db'}"
        return
    found: Postgres = request.getfixturevalue("postgres")
    with found.database() as url:
        yield url
