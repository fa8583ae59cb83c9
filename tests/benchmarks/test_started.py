"""Every benchmark can be started: its help, and a run of the smallest size that makes sense. What they measure is no test."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SBOMS = ROOT / "integrations" / "rehearsal" / "data" / "sboms"
ADVISORY = ROOT / "flows" / "drill" / "scenarios" / "PYSEC-2021-874.yaml"
SMALL = ("--images", "2", "--workloads", "4", "--packages", "160")
RUNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "contain/faults.py": (("--verbs", "scale_to_zero", "--each", "9"),),
    "contain/kills.py": (("--platforms", "none", "--random", "0"),),  # tests/kills plays its trials
    "contain/playbooks.py": (("--most", "20"),),
    "contain/thousand.py": (("--targets", "3"),),
    "contain/writes.py": (("--only", "stolen-automation-token", "environments"),),
    "graph/advisories.py": (("osv", *SMALL),),
    "graph/exposure.py": ((*SMALL, "--questions", "2", "--times", "0"),),
    "graph/growth.py": (("--step", "in", "growth.db", *SMALL), ("--step", "ask", "growth.db", *SMALL)),
    "graph/ingest.py": (("sboms", "--times", "2", "--rounds", "1"),),
    "graph/inventory.py": (("--pods", "3"),),
    "graph/one_sbom.py": (("--components", "10"),),
    "graph/scale.py": (
        ("--images", "200", "--workloads", "400", "--packages", "152", "--questions", "200", "--times", "0"),
    ),
    "graph/watch.py": (("--changes", "2"),),
}
NO_BENCHMARK = {  # what several of them are made of
    "contain/fault_front.py",
    "contain/kill_child.py",
    "contain/kill_cluster.py",
    "contain/kill_places.py",
    "contain/kill_runs.py",
    "contain/kill_trial.py",
    "contain/kill_world.py",
    "contain/moto_served.py",
    "graph/fleet.py",
    "graph/sizes.py",
}
NOT_SMALL = {"first_write.py"}  # it starts two whole stacks: a minute, whatever it is asked for

# All in one process: most of what each takes is importing what the others import too.
_STARTED = """
import json, runpy, sys
for path, words in json.loads(sys.argv[1]):
    sys.argv, sys.path[0] = [path, *words], path.rpartition("/")[0]
    print("started", path, *words, flush=True)
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
"""


def started(folder: Path, *starts: tuple[str, tuple[str, ...]]) -> None:
    """Starts each of them; the first that fails is the last that the output names."""
    told = json.dumps([(str(ROOT / "benchmarks" / name), words) for name, words in starts])
    done = subprocess.run(  # noqa: S603  (our own)
        [sys.executable, "-c", _STARTED, told], check=False, capture_output=True, text=True, cwd=folder, timeout=400
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_benchmark_tells_its_help(tmp_path: Path) -> None:
    """None is forgotten here, and none breaks before it reads what it is asked for."""
    folder = ROOT / "benchmarks"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")} - NO_BENCHMARK
    assert names == RUNS.keys() | NOT_SMALL
    started(tmp_path, *((name, ("--help",)) for name in sorted(names)))


def test_every_benchmark_runs_at_its_smallest(tmp_path: Path) -> None:
    """To its end, on a fleet of a few images."""
    (tmp_path / "osv").mkdir()
    shutil.copy(ADVISORY, tmp_path / "osv")
    (tmp_path / "sboms").mkdir()
    for name in ("trainer-v2", "feature-builder"):
        shutil.copy(SBOMS / f"{name}.cdx.json", tmp_path / "sboms")
    started(tmp_path, *((name, words) for name, runs in RUNS.items() for words in runs))


@pytest.mark.parametrize("broken", ["raise KeyError(1)", "raise SystemExit('it disagrees')"])
def test_one_that_breaks_is_seen(tmp_path: Path, broken: str) -> None:
    """By an exception, and by the words that a benchmark ends with where its two sides differ."""
    (tmp_path / "bad.py").write_text(broken)
    with pytest.raises(AssertionError, match=r"started .*bad\.py"):
        started(tmp_path, (str(tmp_path / "bad.py"), ()))
