"""docs/playbooks.md says what the models say, and its example loads."""

from __future__ import annotations

import re

from playbook_reference import DOCUMENT, SECTIONS, written
from playbook_world import verbs

from patchgap import registry
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


def test_a_verb_takes_the_same_parameters_on_every_platform() -> None:
    """A step is written once: what one platform leaves unset must not be refused, or set, by another."""
    found = registry.load()
    for verb, by in (*found.actions.items(), *found.checks.items()):
        taken = [{n: repr(f.default) for n, f in part.parameters.model_fields.items()} for part in by.values()]
        assert all(one == taken[0] for one in taken), f"{verb}: {taken}"
