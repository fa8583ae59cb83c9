"""Actions, checks, inventory sources, sources of documents and sinks, found by walking the packages behind the entry points.

A package named by the entry-point group `patchgap.integrations` is walked for modules under `actions/`, `checks/`, `sinks/` and
for modules `inventory` and `sources`; a class registers itself with the decorators below. Two classes for one verb on one platform
are an error, never a silent win of the last.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TypeVar

from patchgap.errors import NotFoundError, PatchgapError
from patchgap.ports import Action, Check, DocumentSource, InventorySource, SinkKind

_ACTIONS: dict[tuple[str, str], Action] = {}
_CHECKS: dict[tuple[str, str], Check] = {}
_INVENTORIES: dict[str, InventorySource] = {}
_SOURCES: dict[str, DocumentSource] = {}
_SINKS: dict[str, SinkKind] = {}

A = TypeVar("A", bound=type)


def action(cls: A) -> A:
    """Registers an action class (it is instantiated without arguments)."""
    return _register(cls, _ACTIONS, (cls.verb, cls.platform))  # type: ignore[attr-defined]


def check(cls: A) -> A:
    """Registers a check class."""
    return _register(cls, _CHECKS, (cls.verb, cls.platform))  # type: ignore[attr-defined]


def inventory(cls: A) -> A:
    """Registers an inventory source."""
    return _register(cls, _INVENTORIES, cls.platform)  # type: ignore[attr-defined]


def source(cls: A) -> A:
    """Registers a source of documents."""
    return _register(cls, _SOURCES, cls.scheme)  # type: ignore[attr-defined]


def sink(cls: A) -> A:
    """Registers a kind of sink."""
    return _register(cls, _SINKS, cls.kind)  # type: ignore[attr-defined]


def _register(cls: A, table: dict, key: object) -> A:  # type: ignore[type-arg]
    held = table.get(key)
    if held is not None and type(held).__qualname__ != cls.__qualname__:
        raise PatchgapError(
            f"{key} is registered twice, by {type(held).__module__} and {cls.__module__}",
            "Rename one of the two.",
        )
    table[key] = cls()
    return cls


@dataclass(frozen=True)
class Registry:
    """The verbs that exist. `actions` and `checks` map a verb to its implementation a platform."""

    actions: Mapping[str, Mapping[str, Action]] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, Check]] = field(default_factory=dict)
    inventories: Sequence[InventorySource] = ()
    sources: Mapping[str, DocumentSource] = field(default_factory=dict)  # by scheme
    sinks: Mapping[str, SinkKind] = field(default_factory=dict)  # by kind

    def action(self, verb: str, platform: str) -> Action:
        """The action. Raises NotFoundError naming what exists."""
        return _pick(self.actions, verb, platform)

    def check(self, verb: str, platform: str) -> Check:
        """The check. Raises NotFoundError naming what exists."""
        return _pick(self.checks, verb, platform)

    def inverses(self) -> Mapping[str, str]:
        """Each inverse verb with the action that it undoes."""
        return {a.inverse: verb for verb, by in self.actions.items() for a in by.values() if a.inverse}

    def follows(self, verb: str) -> str:
        """The verb without which this one has nothing to do: it must stand before it in its tier; "" where none must."""
        return next((f for a in self.actions.get(verb, {}).values() if (f := getattr(a, "follows", ""))), "")

    def precedes(self, verb: str) -> frozenset[str]:
        """The verbs that must not stand before this one in a tier: they change what it is there to see."""
        return frozenset(v for a in self.actions.get(verb, {}).values() for v in getattr(a, "precedes", ()))


V = TypeVar("V")


def _pick(table: Mapping[str, Mapping[str, V]], verb: str, platform: str) -> V:
    try:
        return table[verb][platform]
    except KeyError:
        known = ", ".join(sorted(f"{v} on {p}" for v, by in table.items() for p in by)) or "none"
        raise NotFoundError(f"there is no {verb} on {platform}", f"Use one of: {known}.") from None


def load() -> Registry:
    """Walks every integration and returns what it registered."""
    for point in entry_points(group="patchgap.integrations"):
        _walk(point.value)
    actions: dict[str, dict[str, Action]] = {}
    for (verb, platform), found in sorted(_ACTIONS.items()):
        actions.setdefault(verb, {})[platform] = found
    checks: dict[str, dict[str, Check]] = {}
    for (verb, platform), seen in sorted(_CHECKS.items()):
        checks.setdefault(verb, {})[platform] = seen
    inventories = tuple(_INVENTORIES[k] for k in sorted(_INVENTORIES))
    return Registry(actions, checks, inventories, dict(_SOURCES), dict(_SINKS))


def _walk(package: str) -> None:
    importlib.import_module(package)
    for part in ("actions", "checks", "inventory", "sinks", "sources"):
        name = f"{package}.{part}"
        if importlib.util.find_spec(name) is None:
            continue
        module = importlib.import_module(name)
        for found in pkgutil.iter_modules(getattr(module, "__path__", ()), name + "."):
            importlib.import_module(found.name)
