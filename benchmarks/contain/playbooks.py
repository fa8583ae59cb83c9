"""Bad playbooks refused / tried: every shipped playbook with one mistake in one line, and those that people wrote.

A mistake is a slip that can mean nothing else: a misspelt key or verb, a key twice, a value left out, a wrong kind of
value, a time or share that is none, YAML beyond plain values, a second document. Refused means: the loader tells a
problem in that very line (or, where what must come is missing, names it), and what to write instead: a corrected line,
the nearest name, or a sentence that says what is taken. Exits 1 where one was taken or told badly.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from patchgap import registry
from patchgap.playbook.loader import in_folder, parse, shipped
from patchgap.playbook.problems import PlaybookProblems, Problem
from patchgap.registry import Registry

BY_HAND = Path(__file__).parents[2] / "tests" / "playbook"
_KEY = re.compile(r"^(?P<before>\s*(?:- )?)(?P<key>[a-z_]+):(?P<rest>.*)$")
_SAYS = (
    "must",
    "such as",
    "write",
    "remove",
    "keep one",
    "cannot be",
    "keys here are",
    "add `",
    "it takes",
    "; put",
    "; give",
    "; check",
    "; close",
    "; move",
)


@dataclass(frozen=True)
class Bad:
    """A playbook with a mistake: which kind, the text, and the lines (from 1) of which one must be named."""

    kind: str
    text: str
    lines: frozenset[int]


def by_hand() -> Iterator[Bad]:
    """Those that people wrote: a table of lines that are put into a good one."""
    good = (BY_HAND / "good.yaml").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = YAML(typ="safe", pure=True).load(BY_HAND / "bad_cases.yaml")
    for row in rows:
        if row.get("count", 1):
            put = row["put"].split("\n") if row["put"] else []
            lines = [*good[: row["at"] - 1], *put, *good[row["at"] :]]
            yield Bad("by hand", "\n".join(lines) + "\n", frozenset({row.get("line", row["at"])}))


def generated(text: str, rng: random.Random) -> Iterator[Bad]:
    """Every line of a good playbook with each mistake that can be made in it."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        code = line.split(" #")[0].rstrip()
        if not code.strip() or code.lstrip().startswith("#"):
            continue
        for kind, put in _mistakes(code, rng):
            told = "\n".join([*lines[:number], put, *lines[number + 1 :]]) + "\n"
            first = number + 1
            yield Bad(kind, told, frozenset(range(first, first + put.count("\n") + 2)))
    yield Bad("second document", f"{text}---\n{text}", frozenset({len(lines) + 1, len(lines) + 2}))


def _mistakes(line: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    indent = line[: len(line) - len(line.lstrip())]
    if found := _KEY.match(line):
        before, key, rest = found["before"], found["key"], found["rest"]
        yield "misspelt key", f"{before}{_misspelt(key, rng)}:{rest}"
        yield "tab", f"\t{line}"
        yield "anchor", f"{before}{key}: &here{rest or ' x'}"
        if rest.strip() and not rest.strip().startswith("{"):
            yield "key twice", f"{line}\n{' ' * len(before)}{key}:{rest}"
            yield "no value", f"{before}{key}:"
            yield "alias", f"{before}{key}: *nothing"
            yield "wrong kind of value", f"{before}{key}: {{colour: blue}}"
        if key not in ("summary", "owner") and re.search(r"\b\d+[smhd]\b", rest):
            yield "no time", f"{before}{key}:" + re.sub(r"\b(\d+)[smhd]\b", r"\1 fortnights", rest, count=1)
        if "%" in rest:
            yield "no share", f"{before}{key}:" + re.sub(r"\d+%", "130%", rest, count=1)
    elif re.fullmatch(r"\s*- [a-z_]+", line):
        verb = line.strip().removeprefix("- ")
        yield "misspelt verb", f"{indent}- {_misspelt(verb, rng)}"
        yield "unknown parameter", f"{indent}- {verb}: {{colour: blue}}"
        yield "tag", f"{indent}- !!python/name:os.system {verb}"


def _misspelt(name: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(name)) if len(name) > 1 else 0
    return f"{name[:at]}x{name[at:]}"


def told(bad: Bad, known: Registry) -> str:
    """What was wrong with its refusal; "" where it was refused as it should be."""
    try:
        parse(bad.text, "bad.yaml", known)
    except PlaybookProblems as error:
        here = [p for p in error.problems if p.line in bad.lines]
        if not here:
            return f"told elsewhere: {error.problems[0]}"
        return "" if any(_has_fix(p) for p in here) else f"told without a fix: {here[0]}"
    return "taken"


def _has_fix(problem: Problem) -> bool:
    return bool(problem.corrected or problem.suggestion) or any(word in problem.what for word in _SAYS)


def main() -> int:
    """Prints each that was not refused well, the kinds, and the count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the misspellings")
    parser.add_argument("--most", type=int, default=100_000, help="how many of them, drawn by the seed")
    asked = parser.parse_args()
    rng, known = random.Random(asked.seed), registry.load()
    tried, refused, kinds = 0, 0, Counter[str]()
    texts = [path.read_text(encoding="utf-8") for path in in_folder(shipped())]
    every = [*by_hand(), *(bad for text in texts for bad in generated(text, rng))]
    for bad in rng.sample(every, min(asked.most, len(every))):
        wrong = told(bad, known)
        tried, refused = tried + 1, refused + (not wrong)
        kinds[bad.kind] += 1
        if wrong:
            print(f"{bad.kind}, line {min(bad.lines)}: {wrong}")
    print(", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    print(f"bad playbooks refused / tried: {refused} / {tried}")
    return 0 if refused == tried else 1


if __name__ == "__main__":
    sys.exit(main())
