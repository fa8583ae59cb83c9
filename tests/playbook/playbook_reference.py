"""The tables of keys in docs/playbooks.md, made from the models. Run it to write them anew."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from patchgap.playbook.language import (
    ApprovalRule,
    Detect,
    Limits,
    Matcher,
    OnlyIf,
    Playbook,
    Scope,
    Threshold,
    Tier,
    TierTargets,
    Verify,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "playbooks.md"
BEGIN, END = "<!-- keys: begin -->\n", "<!-- keys: end -->"
SECTIONS: dict[str, type[BaseModel]] = {
    "A playbook": Playbook,
    "`detect`": Detect,
    "`detect.only_if`, besides the keys of `when`": OnlyIf,
    "`scope`": Scope,
    "A tier": Tier,
    "`when`": Matcher,
    "`epss`": Threshold,
    "`limits`": Limits,
    "`approval`": ApprovalRule,
    "`targets`": TierTargets,
    "`verify`": Verify,
}


def tables() -> str:
    """One table a model, in the order of its keys."""
    return "\n".join(_table(title, model) for title, model in SECTIONS.items())


def _table(title: str, model: type[BaseModel]) -> str:
    skipped = set(Matcher.model_fields) if model is OnlyIf else set()
    rows = [
        f"| `{f.alias or name}` | {f.description}{' Required.' if f.is_required() else ''} | `{f.examples[0]}` |"
        for name, f in model.model_fields.items()
        if name not in skipped and f.examples
    ]
    about = " ".join((model.__doc__ or "").split())
    return "\n".join([f"### {title}\n", about, "", "| key | meaning | example |", "| --- | --- | --- |", *rows, ""])


def written(document: str) -> str:
    """The document with the tables of today."""
    before, _, rest = document.partition(BEGIN)
    return before + BEGIN + tables() + END + rest.partition(END)[2]


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
