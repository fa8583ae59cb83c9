"""Reads many files side by side, in processes of their own, in the order in which they come.

What comes back is what `files.read_file` gives, or its refusal. A package crosses between processes once, however many
SBOMs list it: after that its number does, until a reader has sent so many that both sides forget them.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any, NamedTuple

from patchgap.errors import BadInputError
from patchgap.graph import files
from patchgap.graph.sbom.document import Package, SbomDocument

_ALONE = 4 * 1024 * 1024  # bytes: below it, starting processes takes longer than reading
_AHEAD = 64  # files at most that a process has before it: it goes on while a transaction is written
_AHEAD_BYTES = 64 * 1024 * 1024  # and no more than two where they are larger, lest another has nothing left to do
_AHEAD_TEXT = 16 * 1024  # nor where their paths are longer: with both directions of a pipe full, both sides wait
_KEPT = 1 << 16  # packages that a process has sent and that are known by their number: some 30 MB on either side


class Loaded(NamedTuple):
    """A file and what it holds, or why it was refused."""

    path: Path
    content: files.Content | BadInputError


def load(paths: Sequence[Path], artifact: str | None = None, processes: int | None = None) -> Iterator[Loaded]:
    """Each file's content, as soon as it is read. `processes` is the number of cores where it is None."""
    count = min(len(paths), processes or os.cpu_count() or 1)
    if count < 2 or sum(_size(path) for path in paths) < _ALONE:  # noqa: PLR2004
        for path in paths:
            yield Loaded(path, _read(path, artifact))
        return
    yield from _load(deque(paths), artifact, count)


def _read(path: Path, artifact: str | None) -> files.Content | BadInputError:
    try:
        return files.read_file(path, artifact)
    except BadInputError as error:
        return error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # reading it says what is wrong


def _load(paths: deque[Path], artifact: str | None, count: int) -> Iterator[Loaded]:
    with ExitStack() as stack:
        readers: dict[Any, _Reader] = {}
        for _ in range(count):
            here = stack.enter_context(_process(artifact))
            readers[here] = _Reader(here)
        for reader in [*readers.values()] * _AHEAD:
            reader.give(paths)
        while any(reader.pending for reader in readers.values()):
            for ready in wait([one.pipe for one in readers.values() if one.pending]):
                yield readers[ready].take()
                while readers[ready].give(paths):
                    pass


@contextmanager
def _process(artifact: str | None) -> Iterator[Connection[Any, Any]]:
    """A reading process, and our end of its pipe. It imports this module and no other's main."""
    here, there = Pipe()
    command = [sys.executable, "-P", "-m", __name__, str(there.fileno()), artifact or ""]
    process = subprocess.Popen(command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)  # noqa: S603  (ourselves)
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.kill()
        process.wait()


class _Reader:
    """Our side of a reading process: the files that it has, and the packages that it has sent."""

    def __init__(self, pipe: Connection[Any, Any]) -> None:
        self.pipe = pipe
        self.pending: deque[tuple[Path, int]] = deque()
        self._bytes = self._text = 0
        self._packages: list[Package] = []

    def give(self, paths: deque[Path]) -> bool:
        """The next file, where there is one and not enough before it; whether it got one."""
        many = self._bytes > _AHEAD_BYTES or self._text > _AHEAD_TEXT
        if len(self.pending) >= _AHEAD or (len(self.pending) > 1 and many) or not paths:
            return False
        path = paths.popleft()
        size = _size(path)
        self.pending.append((path, size))
        self._bytes += size
        self._text += len(str(path))
        with suppress(OSError):  # it is dead: `take` says so, of the first file that it leaves unread
            self.pipe.send(str(path))
        return True

    def take(self) -> Loaded:
        """What it read of the file that it got first."""
        path, size = self.pending.popleft()
        self._bytes -= size
        self._text -= len(str(path))
        try:
            content, first, new, numbers = self.pipe.recv()
        except (EOFError, OSError):
            self.pending.clear()
            raise BadInputError(
                path, "the process that read it was killed, for want of memory perhaps", "Leave it out, or split it."
            ) from None
        if isinstance(content, SbomDocument):
            held = self._packages
            held[first:] = [Package(*one) for one in new]
            content = replace(content, packages=tuple([held[n] for n in array("I", numbers)]))
        return Loaded(path, content)


def serve(pipe: Connection[Any, Any], artifact: str | None) -> None:
    """The reading process: a path in; out its content without packages, the packages that are new with the first one's
    number (those that had it and higher ones are forgotten), and all of them as numbers."""
    sent = _Sent()
    while True:
        try:
            path = pipe.recv()
        except (EOFError, OSError):
            return
        content = _read(Path(path), artifact)
        if not isinstance(content, SbomDocument):
            pipe.send((content, 0, (), b""))
            continue
        first, new, numbers = sent.numbered(content.packages)
        pipe.send((replace(content, packages=()), first, [tuple(one) for one in new], numbers))


class _Sent:
    """The packages that a reading process has sent, by number."""

    def __init__(self) -> None:
        self._numbers: dict[Package, int] = {}
        self._same: dict[
            int, int
        ] = {}  # by the id of an object that `_numbers` keeps: equal purls give the same object

    def numbered(self, packages: Sequence[Package]) -> tuple[int, Sequence[Package], bytes]:
        """The first new number, the packages that are new, and the number of each."""
        if len(self._numbers) > _KEPT:
            self._numbers.clear()
            self._same.clear()
        first = len(self._numbers)
        numbers = [*map(self._same.get, map(id, packages))]
        new: list[Package] = []
        for n, one in enumerate(packages) if None in numbers else ():
            if numbers[n] is None:
                numbers[n] = number = self._numbers.setdefault(one, len(self._numbers))
                if number >= first + len(new):
                    self._same[id(one)] = number
                    new.append(one)
        return first, new, array("I", numbers).tobytes()  # type: ignore[type-var]


if __name__ == "__main__":
    gc.disable()  # nothing that a reader builds is in a cycle
    serve(Connection(int(sys.argv[1])), sys.argv[2] or None)
