"""One tree of errors. Each says what is wrong and, in its last sentence, what to do next.

Owns the words that a person reads when something cannot go on; it knows nothing of transports or exit codes
beyond `exit_code`, which the command line returns as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


class PatchgapError(Exception):
    """The root: `str(error)` is one clear sentence and its fix; never a traceback, never a foreign body.

    `fix` is the sentence that says what to do; it is part of `str(error)`.
    """

    exit_code = 2

    def __init__(self, problem: str, fix: str) -> None:
        self.problem = problem
        self.fix = fix
        super().__init__(f"{problem.rstrip('.')}. {fix}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), str(self), self.__dict__)  # crosses between processes whole


class BadInputError(PatchgapError):
    """A file, a field or a message that cannot be read; nothing of it was stored."""

    def __init__(self, where: str | Path, problem: str, fix: str) -> None:
        self.where = str(where)
        super().__init__(f"{where}: {problem}", fix)


class NotFoundError(PatchgapError):
    """Something that was asked for by name does not exist."""


class RefusedError(PatchgapError):
    """A safety rule said no: a limit, a protected object, a missing approval, the kill switch, the gate.

    `reasons` lists every reason, not only the first; `headline` says what is refused without them, `problem` with them.
    """

    exit_code = 1

    def __init__(self, headline: str, fix: str, reasons: tuple[str, ...] = ()) -> None:
        self.headline = headline
        self.reasons = reasons
        super().__init__(f"{headline}: {'; '.join(reasons)}" if reasons else headline, fix)


class UnreachableError(PatchgapError):
    """A control plane did not answer, or answered that it cannot; what it holds is unknown."""


class ConflictError(PatchgapError):
    """Someone else owns or has changed what was to be changed; nothing was overwritten."""


class WaitingError(PatchgapError):
    """Not yet: something else must be there first, and `problem` says what. Nothing is wrong; it is tried again."""


class BrokenLedgerError(PatchgapError):
    """The ledger's chain does not hold; nothing may be decided from it."""


def _again(kind: type[PatchgapError], words: str, fields: dict[str, Any]) -> PatchgapError:
    error = kind.__new__(kind, words)
    error.__dict__.update(fields)
    return error
