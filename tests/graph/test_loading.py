"""Files read side by side give what they give one by one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from graph_fleet import SBOMS

from patchgap.errors import BadInputError
from patchgap.graph import files, loading
from patchgap.graph.loading import Loaded, load


@pytest.fixture(autouse=True)
def _side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_ALONE", 0)


def test_every_file_comes_as_it_is_read_alone(tmp_path: Path) -> None:
    """SBOMs with their packages and edges, provenance, and what is refused with its reason."""
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    paths = [*files.walk(SBOMS), broken, tmp_path / "missing.json"]
    together = {one.path: one.content for one in load(paths, processes=2)}
    assert together.keys() == set(paths)
    for path in paths:
        found = together[path]
        if isinstance(found, BadInputError):
            with pytest.raises(BadInputError) as alone:
                files.read_file(path)
            assert str(found) == str(alone.value)
        else:
            assert found == files.read_file(path)
    refused = {path.name for path, one in together.items() if isinstance(one, BadInputError)}
    assert refused == {"README.md", "broken.json", "missing.json"}


def test_a_reader_that_dies_names_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that the kernel kills for want of memory does; no file is passed over in silence."""
    started = _pids(monkeypatch)
    reading: Iterator[Loaded] = load([*files.walk(SBOMS)] * 3, processes=2)
    next(reading)
    for pid in started:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(BadInputError, match=r"data/sboms/.*was killed"):
        list(reading)


def _pids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Filled with the processes that are started from here on."""
    pids: list[int] = []
    start = loading.subprocess.Popen

    def noted(*words: object, **more: object) -> object:
        process = start(*words, **more)  # type: ignore[call-overload]
        pids.append(process.pid)
        return process

    monkeypatch.setattr(loading.subprocess, "Popen", noted)
    return pids
