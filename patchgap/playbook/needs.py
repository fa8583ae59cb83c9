"""What the playbooks in use need of a platform: the permissions that their verbs declare, and nothing besides.

Pure over the registry and the playbooks. It knows no platform's way of writing a permission.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from patchgap.playbook.language import Playbook, Step
from patchgap.ports import Action, Check
from patchgap.registry import Registry


@dataclass(frozen=True, slots=True)
class Needs:
    """Permission lines as the verbs of one platform declare them, each once: of `actions` (their inverses included),
    of `checks`, and of reading the inventory."""

    actions: tuple[str, ...]
    checks: tuple[str, ...]
    inventory: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(dict.fromkeys((*self.actions, *self.checks, *self.inventory)))


def needs(registry: Registry, platform: str, playbooks: Sequence[Playbook] | None = None) -> Needs:
    """Of these playbooks; without any given, of every verb that there is."""
    acting = registry.actions if playbooks is None else {s.verb for p in playbooks for t in p.tiers for s in t.contain}
    looking = registry.checks if playbooks is None else {s.verb for p in playbooks for s in _checks(p)}
    return Needs(
        _united(registry.actions, acting, platform),
        _united(registry.checks, looking, platform),
        _lines(s.permissions for s in registry.inventories if s.platform == platform),
    )


def _checks(playbook: Playbook) -> Iterable[Step]:
    for verify in (playbook.verify, *(t.verify for t in playbook.tiers if t.verify)):
        yield from verify.all_of


def _united(table: Mapping[str, Mapping[str, Action | Check]], verbs: Iterable[str], platform: str) -> tuple[str, ...]:
    return _lines(table[v][platform].permissions for v in sorted(verbs) if platform in table.get(v, {}))


def _lines(declared: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for of_one in declared for line in of_one))
