"""YAML of text alone is what the loader makes of it, and so is everything else."""

from __future__ import annotations

from typing import Any

import pytest
from graph_fleet import ADVISORY
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from patchgap.errors import BadInputError
from patchgap.graph import yaml_text

SCALARS = [
    "a", "1.7.1", "1.0", "012", "0x1f", "1_000", "true", "No", "null", "~", "", "2021-08-27", "2021-08-27T03:22:22Z", "12:30:45",
    ".inf", "=", "<<", "'1.0'", '"no"', '"\\u00e9"', "é", "!!str 1", "! 1", "!x y", "? a", "|\n    a\n    b\n", ">-\n    a b\n",
]  # fmt: skip
WHOLE = [
    "", "a", "- a", "{a: b, c: [d, {e: f}]}", "a: 1\na: 2\n", "a: x\na: y\n", "1: x\n", "[a]: x\n", "? [a, b]\n: c\n", "a: b\n---\nc: d\n",
    "%YAML 1.1\n---\na: no\n", "%TAG !e! tag:e,2000:\n---\na: !e!b c\n", "!!map {a: b}", "a: !!seq [b]", "<<: {a: b}\nc: d\n",
    "a:\n", "- a: b\n  c:\n  - d\n", "# only a word\n", "\ufeffa: b\n", "a: b\n...\n",
]  # fmt: skip


def made(of: Any, content: bytes) -> Any:
    try:
        return of(content)
    except (YAMLError, ValueError, LookupError, TypeError) as error:
        return type(error)


def agree(content: bytes) -> None:
    theirs = made(YAML(typ="safe", pure=False).load, content)
    ours = made(lambda one: yaml_text.load(one, "x", 50), content)
    assert (repr(ours), type(ours)) == (repr(theirs), type(theirs))


@pytest.mark.parametrize("text", WHOLE)
def test_a_document_is_what_the_loader_makes_of_it(text: str) -> None:
    """Keys twice, keys that are none, tags, directives, several documents: its value, or its refusal."""
    agree(text.encode())


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "1", "c d"]), st.sampled_from(SCALARS)), max_size=5))
def test_a_scalar_is_what_the_loader_makes_of_it(pairs: list[tuple[str, str]]) -> None:
    """Alone in a mapping, and among others in a list of mappings."""
    agree("".join(f"{key}: {value}\n" for key, value in pairs).encode())
    agree("".join(f"- {key}: {value}\n- {value}\n" for key, value in pairs).encode())


def test_an_advisory_needs_no_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    """An advisory of PyPI's database, as it is published."""
    expected = YAML(typ="safe", pure=False).load(ADVISORY.read_bytes())
    monkeypatch.setattr(YAML, "load", lambda *_: pytest.fail("the loader was asked"))
    assert yaml_text.load(ADVISORY.read_bytes(), "x", 50) == expected


@pytest.mark.parametrize("text", ["a: &x b\n", "a: *x\n", "&x a: b\n", "- &x [a]\n", "[" * 51 + "]" * 51])
def test_what_could_grow_is_refused(text: str) -> None:
    """Anchors and aliases of any node, and depth."""
    with pytest.raises(BadInputError):
        yaml_text.load(text.encode(), "x", 50)
