"""What one reading of an account shares: its settings, what its roles may do, and what it would not tell.

Owns the rule that a refusal is named and never taken for "nothing there". An account that does not answer is no refusal:
that raises, and the last snapshot stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations.aws.account import Account, Json
from integrations.aws.answers import ForbiddenError
from integrations.aws.inventory.roles import Roles
from patchgap.errors import NotFoundError
from patchgap.model.unknown import Unknown
from patchgap.model.workload import Classification, DataScope
from patchgap.settings import AwsSettings


class Reading:
    """One account, read once."""

    def __init__(self, account: Account, settings: AwsSettings) -> None:
        self.account = account
        self.settings = settings
        self.unknown: list[Unknown] = []
        self.roles = Roles(account)

    def tried(self, what: str, otherwise: Any, ask: Callable[..., Any], *about: Any, referred_to: bool = False) -> Any:
        """What `ask(*about)` answers; where IAM refuses it, `otherwise`, and `what` is unknown. What was listed and deleted
        between two calls is gone; what is `referred_to` by something that lives is unknown then too."""
        try:
            return ask(*about)
        except (ForbiddenError, NotFoundError) as error:
            if referred_to or isinstance(error, ForbiddenError):
                self.unknown.append(Unknown(f"account {self.account.name}: {what}", error.problem))
        return otherwise

    def environment(self, tags: Mapping[str, str]) -> str:
        """The environment, or "unknown"."""
        return tags.get(self.settings.environment_tag) or self.account.settings.environment or "unknown"

    def data_scope(self, tags: Mapping[str, str]) -> DataScope:
        """The classification, and the stores that it writes to: a tag holds no comma, so that blanks part them."""
        said = tags.get(self.settings.classification_tag, "").lower()
        known = said in {c.value for c in Classification}
        stores = tags.get(self.settings.writes_to_tag, "").replace(",", " ").split()
        return DataScope(Classification(said) if known else Classification.UNKNOWN, tuple(stores))

    def internet_exposed(self, tags: Mapping[str, str], *, public: bool) -> bool | None:
        """Whether a tag says so, or it has a public address; None where neither tells."""
        said = tags.get(self.settings.internet_exposed_tag, "").lower()
        if said in {"true", "false"}:
            return said == "true"
        return True if public else None

    def annotations(self, tags: Mapping[str, str], **more: str) -> dict[str, str]:
        """The configured tags that are there, and what else of it an engineer looks for."""
        s = self.settings
        keys = (s.environment_tag, s.classification_tag, s.writes_to_tag, s.internet_exposed_tag, s.secret_tag)
        return {k: tags[k] for k in keys if tags.get(k)} | {k.replace("_", "-"): v for k, v in more.items() if v}


def tags_of(listed: Sequence[Json] | None) -> dict[str, str]:
    """Tags as ECS and IAM list them (`key` or `Key`)."""
    return {str(t.get("key") or t.get("Key")): str(t.get("value") or t.get("Value") or "") for t in listed or ()}
