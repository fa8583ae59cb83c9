"""`patchgap drill` as a person runs it: to its end, in its own world, with nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

from tests.flows.loop import kinds
from tests.flows.running import PATCHGAP, clean_environ, processes_of, run


def test_a_drill_from_signal_to_closing(tmp_path: Path) -> None:
    """It closes on proof after a closing was refused, tells its story on stderr, and leaves papers and no process."""
    marked = clean_environ(PATCHGAP_HOME=str(tmp_path / "mine"), DRILL_OF=str(tmp_path))
    done = run([PATCHGAP, "drill", "--json", "--output", tmp_path / "drills"], marked, tmp_path)
    assert done.returncode == 0, done.stderr
    assert not processes_of(tmp_path), "every process of the drill carries the folder in its environment"
    left = json.loads(done.stdout)
    assert left["closed"] is True
    assert Path(left["bundle"]).is_file()
    assert left["incident"] in Path(left["report"]).read_text(encoding="utf-8")
    acts = kinds(Path(left["home"]), left["incident"])
    assert acts.index("close_refused") < acts.index("patch_named") < acts.index("released") < acts.index("closed")
    assert acts[-1] == "closed"
    refused = done.stderr.partition("Closing too early")[2].partition("5. ")[0]
    for check in ("package_absent", "digests_retired", "credentials_rotated"):
        assert refused.count(f"missing  {check}") == 1, refused
    assert max(len(line) for line in done.stderr.splitlines() if "/" not in line) <= 80
    assert not (tmp_path / "mine").exists(), "what this machine is configured for is not touched"
