"""What goes over the wire between patchgap and AWS: recorded, and cut off after any call that changes something.

It hooks botocore's own events, so that what is counted is what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.loaders import create_loader

from integrations.aws import account

_READING = ("Get", "List", "Describe", "BatchGet", "Head", "Filter")
_MODELS = create_loader()  # of all sessions: AWS's models are read once a run
_ALWAYS = "sts:GetCallerIdentity"  # AWS lets anyone ask who they are


class Cut(BaseException):
    """The process is gone: no handler of an Exception sees it."""


class Wire:
    """The calls since the last `clear`, as IAM actions; `cut_after` is how many writes go through before the cut."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.cut_after = 0

    @property
    def writes(self) -> list[str]:
        return [c for c in self.calls if not c.partition(":")[2].startswith(_READING)]

    def clear(self) -> None:
        self.calls.clear()

    def sent(self, model: Any, **_: Any) -> None:
        called = f"{model.service_model.service_name}:{model.name}"
        if called != _ALWAYS:
            self.calls.append(called)

    def answered(self, model: Any, **_: Any) -> None:
        if self.cut_after and not model.name.startswith(_READING):
            self.cut_after -= 1
            if not self.cut_after:
                raise Cut


WIRE = Wire()


@contextmanager
def hooked() -> Iterator[Wire]:
    """Every session that patchgap makes from now on is listened to."""
    made = account._session

    def session(settings: Any) -> Any:
        opened = made(settings)
        opened._session.register_component("data_loader", _MODELS)
        opened.events.register("before-call", WIRE.sent)
        opened.events.register("after-call", WIRE.answered)
        return opened

    account._session = session
    try:
        yield WIRE
    finally:
        account._session = made
