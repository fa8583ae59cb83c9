from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from patchgap.graph.store import Graph
from patchgap.storage import connect


@pytest.fixture
def engine(tmp_path: Path) -> sa.Engine:
    return connect(f"sqlite:///{tmp_path / 'graph.db'}")


@pytest.fixture
def graph(engine: sa.Engine) -> Graph:
    return Graph(engine)
