"""Problems of a playbook: where, what, the nearest valid name, and the line as it should read.

Knows lines and words, nothing of the language's keys or of YAML's events.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from patchgap.errors import PatchgapError

if TYPE_CHECKING:
    from patchgap.playbook.language import Playbook

MANY = 200  # a hostile file must not make a report without end


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong. `line` and `column` count from 1. `suggestion` is the nearest valid name, "" where none is
    near. `corrected` is the line as it should read (or, where a key is missing, the line to add), "" where no single
    line mends it."""

    file: str
    line: int
    column: int
    what: str
    suggestion: str = ""
    corrected: str = ""

    def __str__(self) -> str:
        hint = f" Did you mean {self.suggestion}?" if self.suggestion else ""
        return f"{self.file}:{self.line}:{self.column}: {self.what}.{hint}"


class PlaybookProblems(PatchgapError):  # noqa: N818  (a list of problems)
    """Every problem of one or more playbooks. `loaded` are the sound ones beside them, each with its text."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem], loaded: tuple[tuple[Playbook, str], ...] = ()) -> None:
        self.problems = tuple(sorted(set(problems)))[:MANY]
        self.loaded = loaded
        first = self.problems[0]
        others = len(self.problems) - 1
        more = f" (and {others} other problem{'s' if others > 1 else ''})" if others else ""
        super().__init__(
            f"{str(first).rstrip('.')}{more}",
            f"Correct it; `patchgap playbook check {first.file}` shows each problem with its corrected line.",
        )


def nearest(name: str, valid: Iterable[str]) -> str:
    """The valid name that a person most likely meant, "" where none is near."""
    names = {v.lower(): v for v in valid}
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    found = get_close_matches(wanted, names, n=1, cutoff=0.65) or get_close_matches(name.lower(), names, 1, 0.65)
    return names[found[0]] if found else ""


def listed(names: Iterable[str]) -> str:
    """`a, b or c`, sorted."""
    words = sorted(names)
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
