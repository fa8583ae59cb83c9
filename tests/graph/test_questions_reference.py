"""docs/questions.md names every option of the commands that ask the graph."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from patchgap.cli.advisories import advisories
from patchgap.cli.blast_radius import blast_radius
from patchgap.cli.exposure import exposure
from patchgap.cli.graph_questions import diff, path, stats
from patchgap.cli.runs import runs

TEXT = (Path(__file__).parents[2] / "docs" / "questions.md").read_text(encoding="utf-8")
COMMANDS = {"exposure": exposure, "runs": runs, "blast-radius": blast_radius, "graph stats": stats, "graph path": path,
            "graph diff": diff, "advisories": advisories}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    """The command itself, and each option by its long name."""
    assert f"patchgap {name}" in TEXT
    options = [one.opts[-1] for one in COMMANDS[name].params if isinstance(one, click.Option)]
    assert [one for one in options if one not in TEXT] == []
