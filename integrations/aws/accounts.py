"""The configured accounts by name: the connection that actions, checks and the inventory ask for.

Owns which account a name means, and that another account under that name is another control plane.
"""

from __future__ import annotations

from threading import Lock
from typing import Self

from integrations.aws.account import Account
from patchgap.errors import NotFoundError, UnreachableError
from patchgap.settings import AwsSettings, Settings

PLATFORM = "aws"


class Accounts:
    """Account name -> Account. Safe to share between threads."""

    def __init__(self, settings: AwsSettings) -> None:
        self.settings = settings
        self._configured = {a.name: a for a in settings.accounts}
        self._made: dict[str, Account] = {}
        self._known: dict[str, str] = {}
        self._lock = Lock()

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Reaches nothing yet, and imports no boto3."""
        return cls(settings.aws)

    @property
    def names(self) -> tuple[str, ...]:
        """The configured names, in the order of the settings."""
        return tuple(self._configured)

    def of(self, name: str) -> Account:
        """The account. Raises NotFoundError for a name that is not configured."""
        if name not in self._configured:
            known = ", ".join(self._configured) or "none"
            raise NotFoundError(f"no AWS account {name!r} is configured", f"Use one of: {known}.")
        with self._lock:
            if name not in self._made:
                self._made[name] = Account(self._configured[name], self.settings.timeout_seconds)
            return self._made[name]

    def known(self, name: str, identity: str, *, anew: bool = False) -> Account:
        """The account, where it is still the one that was known by `identity` ("" asks for none): a profile or a role
        that leads to another one names another control plane, and what is not there is not gone. `anew` asks AWS itself,
        whatever it answered before. Raises UnreachableError for another one."""
        account = self.of(name)
        if identity and (anew or self._known.get(name) != identity):
            found = account.identity()
            if found != identity:
                raise UnreachableError(
                    f"account {name} is not the one that the incident knows: its number is {found}, and was {identity}",
                    "Check the profile and the role that the settings name for it.",
                )
            self._known[name] = identity
        return account
