"""What every kind of sink has in common: its options read, its fields asked for, its service put together.

Knows no kind.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from integrations.outbound import Service
from patchgap.errors import BadInputError
from patchgap.settings import SinkSettings

TIMEOUT = 10.0  # seconds of one request


class Options(BaseModel):
    """A kind's own options: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


O = TypeVar("O", bound=Options)  # noqa: E741  (an options model)


def options(settings: SinkSettings, model: type[O]) -> O:
    """The sink's options. Raises BadInputError naming the sink and the field."""
    try:
        return model.model_validate(dict(settings.options))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(p) for p in first["loc"])
        raise bad(settings, f"options.{where}: {first['msg'].removeprefix('Value error, ')}") from None


def needs(settings: SinkSettings, *fields: str) -> None:
    """Raises BadInputError where one of these fields is not set."""
    for name in fields:
        if not getattr(settings, name):
            raise bad(settings, f"{name} is not set")


def bad(settings: SinkSettings, problem: str) -> BadInputError:
    """The error that names the sink."""
    return BadInputError(
        f"sink {settings.name!r} ({settings.kind})", problem, "Correct it in [[sinks]]; docs/sinks.md has each kind."
    )


def service(settings: SinkSettings, default_url: str = "", user: str = "") -> Service:
    """The sink's service. Raises BadInputError where there is no address."""
    url = settings.url or default_url
    if not url:
        raise bad(settings, "url is not set")
    return Service(f"The sink {settings.name}", url, settings.token, TIMEOUT, user=user)


def hint(settings: SinkSettings) -> str:
    """The fix that a sink's errors end with."""
    return f"Check the url and the token of the sink {settings.name!r} in [[sinks]]; docs/sinks.md has what it needs."


def mark(key: str) -> str:
    """A note's key as it stands in the note's text, for services that keep nothing else of it."""
    return f"patchgap-note: {key}"


def incident_of(key: str) -> str:
    """The incident of a key such as `inc-20261124-7k3f-open_incident`."""
    return "-".join(key.split("-")[:3])
