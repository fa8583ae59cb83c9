"""Chains of dependencies for a person: one in a line, or all of them as a tree within 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, Protocol

from patchgap.cli.output import safe, styled, wrapped
from patchgap.graph.chains import COUNTED, MOST
from patchgap.model.exposure import Component, short

_DEEPEST = 7  # levels that a run of single steps is indented by; what follows stays on one line
_LINES = ("├─ ", "└─ ", "│  ", "   ")
_PLAIN = ("|- ", "`- ", "|  ", "   ")  # where the stream cannot write the others


class Chained(Protocol):
    """What chains lead to, below one root."""

    @property
    def chains(self) -> tuple[tuple[str, ...], ...]: ...

    @property
    def more_chains(self) -> int | None: ...

    @property
    def component(self) -> Component: ...


@dataclass
class _Node:
    below: dict[str, _Node] = field(default_factory=dict)
    found: Component | None = None


def why(held: Iterable[Chained], stream: IO[str], indent: str = "") -> Iterator[str]:
    """The chains of one image, merged where they start alike; what they lead to is marked, direct ones as such."""
    top, every = _Node(), [*held]
    for one in every:
        for chain in one.chains:
            node = top
            for link in chain:
                node = node.below.setdefault(link, _Node())
            node.found = one.component
    lines = _LINES if _writes(stream) else _PLAIN
    for root, node in top.below.items():
        yield _text(root, node, 0, indent, indent, stream)
        yield from _branches(node, 1, indent, lines, stream)
    for more in dict.fromkeys(one.more_chains for one in every if one.more_chains != 0):
        yield f"{indent}The graph keeps {MOST} chains to a package: {more_text(more)}."


def more_text(more: int | None) -> str:
    """How many there are beyond the chains that are kept."""
    if more is None:
        return "there may be more"
    if more >= COUNTED - MOST:
        return f"there are at least {more:,} more that are as short"
    return f"there {'is' if more == 1 else 'are'} {more:,} more as short"


def _branches(node: _Node, depth: int, bars: str, lines: tuple[str, ...], stream: IO[str]) -> Iterator[str]:
    fork, last, bar, gap = lines
    for n, (link, below) in enumerate(node.below.items(), 1):
        is_last = n == len(node.below)
        steps, at, after = [link], depth, below
        while depth > _DEEPEST and after.found is None and len(after.below) == 1:
            ((name, after),) = after.below.items()
            steps.append(name)
            at += 1
        hanging = bars + (gap if is_last else bar)
        text = " -> ".join(short(step) for step in steps[:-1])
        text = f"{text} -> " if text else ""
        yield _text(steps[-1], after, at, bars + (last if is_last else fork), hanging, stream, text)
        yield from _branches(after, at + 1, hanging, lines, stream)


def _text(link: str, node: _Node, depth: int, first: str, hanging: str, stream: IO[str], before: str = "") -> str:
    text = f"{before}{short(link)}"
    if node.found is not None:
        text += " <- it, a direct dependency" if depth == 1 else " <- it" if depth else " <- it, the image itself"
        text += f", built from {node.found.source}" if node.found.source else ""
    line = wrapped(safe(text), first, hanging + ("  " if hanging.strip() else ""))
    return line if node.found is None else styled(line, stream, fg="red")


def _writes(stream: IO[str]) -> bool:
    try:
        "".join(_LINES).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
