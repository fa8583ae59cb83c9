"""Files read side by side give what they give one by one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

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


def test_long_paths_and_large_results_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """A reader that cannot hand over its result takes no path, and whoever gives it paths would wait for it."""
    folder = tmp_path.joinpath(*["f" * 240] * 16)
    folder.mkdir(parents=True)
    names = [f"pkg:npm/{'n' * 180}{n}@1" for n in range(3000)]
    large = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"purl": name} for name in names]}
    for n in range(140):
        content = json.dumps(large) if n < 4 else "{}"
        (folder / f"{n:03}.json").write_text(content)
    found: list[Loaded] = []
    reading = Thread(target=lambda: found.extend(load([*files.walk(tmp_path)], f"a@sha256:{'a' * 64}", 2)), daemon=True)
    reading.start()
    reading.join(60)
    assert len(found) == 140


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
