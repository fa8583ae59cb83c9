"""The form's fields: what a person fills in in the Prefect UI, described and validated. Ids and claims, no secret."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field


def _field(title: str, description: str, **rest: Any) -> Any:
    """Prefect writes its own title and description over pydantic's; those in the schema's extras stay."""
    return Field(json_schema_extra={"title": title, "description": description}, **rest)


Incident = Annotated[
    str,
    _field(
        "Incident",
        "The incident's id, as `patchgap incident list` and the runs' tags show it.",
        pattern=r"^inc-\d{8}-[0-9a-z]{4}$",
        examples=["inc-20261124-7k3f"],
    ),
]

SignalId = Annotated[
    Annotated[str, Field(pattern=r"^sig-[0-9a-f]{16}$")] | None,
    _field(
        "Signal",
        "The id of a signal that is stored already, by the webhook receiver say. Leave empty to hand one in.",
        examples=["sig-0123456789abcdef"],
    ),
]

Advisory = Annotated[
    Annotated[str, Field(max_length=500_000)] | None,
    _field(
        "Advisory",
        "An OSV document as JSON or YAML text, as osv.dev publishes it. It is data and never evaluated.",
        examples=['{"id": "PYSEC-2021-874", "affected": [...]}'],
    ),
]

Package = Annotated[
    Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9.:_-]{1,40}/[^\s{}]{1,200}$")] | None,
    _field(
        "Package",
        "Without an advisory: the dangerous package, as OSV's ecosystem and the name.",
        examples=["PyPI/pytorch-lightning"],
    ),
]

Versions = Annotated[
    list[Annotated[str, Field(pattern=r"^[^\s{}]{1,100}$")]],
    _field(
        "Versions",
        "The package's affected versions, each as its ecosystem writes it.",
        max_length=500,
        examples=[["1.5.2", "1.5.3"]],
    ),
]

Severity = Annotated[
    Literal["low", "medium", "high", "critical", "unknown"],
    _field("Severity", "Your own claim; the worst of it and the advisory's counts."),
]

Malicious = Annotated[bool, _field("Malicious", "The package is malicious, not merely vulnerable: it is critical.")]

KnownExploited = Annotated[bool, _field("Known to be exploited", "It has been seen exploited: it is critical.")]

Epss = Annotated[
    Annotated[float, Field(ge=0, le=1)] | None,
    _field("EPSS", "The EPSS probability, 0 to 1, where one is known.", examples=[0.42]),
]

Reporter = Annotated[
    Annotated[str, Field(min_length=1, max_length=200)] | None,
    _field(
        "Reported by",
        "Who says so; it stands in the incident's record, and an approval needs another person. Not for a stored signal.",
        examples=["dana@example.org"],
    ),
]

PlanOnly = Annotated[
    bool, _field("Plan only", "A dry run: every check and the servers' own dry run; nothing is written anywhere.")
]
