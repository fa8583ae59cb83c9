"""Reads that many targets of one incident need alike, made once for all that ask at the same time.

Owns how old an answer may be: who asks is given what began to be read after the asking, or at the most so long before as
it says itself, or since its round began. It knows nothing of what is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, local
from typing import Any, TypeVar

from patchgap.errors import PatchgapError

T = TypeVar("T")

_KEPT = 16  # reads in flight or just over: an answer may be a whole namespace


@dataclass(frozen=True, slots=True)
class _Read:
    begun: float
    answer: Future[Any] = field(default_factory=Future)


class Together:
    """The reads of one cluster. Safe to share between threads; what it gives out is shared too, and not to be changed."""

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._elapsed = elapsed
        self._reads: dict[Hashable, _Read] = {}
        self._lock = Lock()
        self._round = local()

    @contextmanager
    def round(self) -> Iterator[None]:
        """Within it this thread takes whatever began to be read since it was entered: evidence is dated by its beginning."""
        self._round.since = self._elapsed()
        try:
            yield
        finally:
            del self._round.since

    def read(self, key: Hashable, look: Callable[[], T], oldest: float = 0.0) -> T:
        """What `look` answers, begun no earlier than `oldest` seconds before this call: one that runs or is over is
        shared where it is new enough; one that began too early is awaited, since the next serves all who wait. Raises
        what `look` raises; a PatchgapError is shared with those who wait for it, and none is kept."""
        now = self._elapsed()
        since = min(now - oldest, getattr(self._round, "since", now))
        while True:
            with self._lock:
                held = self._reads.get(key)
                if held is None or (held.begun < since and held.answer.done()):
                    mine = self._begin(key)
                    break
            error = held.answer.exception()  # waits until it is over
            if held.begun >= since and (error is None or isinstance(error, PatchgapError)):
                shared: T = held.answer.result()
                return shared
        return self._led(key, mine, look)

    def _begin(self, key: Hashable) -> _Read:
        self._reads.pop(key, None)
        while len(self._reads) >= _KEPT:
            self._reads.pop(next(iter(self._reads)))
        made = self._reads[key] = _Read(self._elapsed())
        return made

    def _led(self, key: Hashable, mine: _Read, look: Callable[[], T]) -> T:
        try:
            answer = look()
        except BaseException as error:
            with self._lock:
                if self._reads.get(key) is mine:
                    del self._reads[key]
            mine.answer.set_exception(error)
            raise
        mine.answer.set_result(answer)
        return answer
