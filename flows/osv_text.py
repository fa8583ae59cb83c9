"""An advisory's text as the plain JSON that an envelope holds. What it means is the graph's to read."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from patchgap.graph.advisory import parse_advisory


def document(text: str, where: str) -> dict[str, Any]:
    """The OSV document, JSON or YAML. Raises BadInputError naming `where`: the graph's own reader, with its bounds on
    size, depth and aliases, has to take it first."""
    parse_advisory(text, where)
    from ruamel.yaml import YAML  # imported late: only an advisory by hand needs it; JSON is YAML

    loaded: dict[str, Any] = _plain(YAML(typ="safe").load(text))
    return loaded


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, datetime):
        zoned = value if value.tzinfo else value.replace(tzinfo=UTC)
        return zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value
