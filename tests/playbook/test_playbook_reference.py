"""docs/playbooks.md says what the models say, and its example loads."""

from __future__ import annotations

import re

from playbook_reference import DOCUMENT, SECTIONS, written
from playbook_world import verbs

from patchgap.playbook.loader import parse


def test_the_tables_are_those_of_the_models() -> None:
    """The reference is written anew after a change (`python tests/playbook/playbook_reference.py`)."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert written(document) == document


def test_every_key_is_described_with_an_example() -> None:
    """No key of the language is without its sentence and an example."""
    bare = [
        f"{m.__name__}.{n}"
        for m in SECTIONS.values()
        for n, f in m.model_fields.items()
        if not (f.description and f.examples)
    ]
    assert bare == []


def test_the_documents_example_loads() -> None:
    """The playbook shown is a sound one."""
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert parse(text, "docs/playbooks.md", verbs()).title == "leaked-build-secret@1"
