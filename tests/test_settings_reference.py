"""docs/settings.md names every key and every variable, and no other."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from patchgap.settings import Settings

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
EXAMPLE = tomllib.loads(DOCUMENT.partition("```toml\n")[2].partition("```")[0])


def keys_of(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every key of a file, with its sections: `webhook.port`, `kubernetes.clusters.name`."""
    for name, field in model.model_fields.items():
        inner = [t for t in (field.annotation, *get_args(field.annotation)) if isinstance(t, type)]
        section = next((t for t in inner if issubclass(t, BaseModel)), None)
        yield from keys_of(section, f"{before}{name}.") if section else [f"{before}{name}"]


def keys_in(document: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Every key that the document holds, but not the names that a person gives to queries and labels, nor verbs."""
    for name, value in document.items():
        for one in value if isinstance(value, list) else [value]:
            nested = isinstance(one, dict) and name not in {
                "queries",
                "options",
                "repositories",
                "per_action",
                "labels",
            }
            yield from keys_in(one, f"{before}{name}.") if nested else [f"{before}{name}"]


def test_the_example_holds_every_key_and_loads() -> None:
    """What a person may write is what the document shows, and the example as it stands is taken."""
    assert set(keys_in(EXAMPLE)) == set(keys_of(Settings))
    assert Settings.model_validate(EXAMPLE).prometheus.queries["training_egress"]


def test_every_variable_that_is_read_is_in_the_table() -> None:
    """A PATCHGAP_* name in the sources that the document does not tell would be a setting nobody can find."""
    sources = (p for part in ("patchgap", "flows", "integrations") for p in (ROOT / part).rglob("*.py"))
    read = {name for p in sources for name in re.findall(r"\bPATCHGAP_[A-Z_]*[A-Z]\b", p.read_text(encoding="utf-8"))}
    told = set(re.findall(r"^\| `(PATCHGAP_[A-Z_]+)`", DOCUMENT, re.MULTILINE))
    assert read == told
