from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from patchgap.graph.store import Graph
from patchgap.storage import connect


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def graph(engine: sa.Engine) -> Graph:
    return Graph(engine)
