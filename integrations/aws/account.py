"""One AWS account, as patchgap calls it: each call named by its service and its operation, bounded and paged.

Owns the credentials, the transport's bounds, and that no write goes out while the kill switch stands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from functools import partial
from threading import RLock, local
from typing import Any, Self

from integrations.aws.answers import answered, told
from integrations.aws.sending import bound
from patchgap.settings import AwsAccount

Json = Mapping[str, Any]
_LEAVE = local()  # what this thread asks before each try of what it sends
_GLOBAL = ("iam", "sts")  # answered the same in every region


def permission_of(service: str, operation: str) -> str:
    """The IAM action of a call: `("ecs", "UpdateService")` is `ecs:UpdateService`."""
    return f"{service}:{operation}"


class Account:
    """The calls to one account. Safe to share between threads."""

    def __init__(self, settings: AwsAccount, timeout_seconds: float) -> None:
        self.settings = settings
        self._timeout = timeout_seconds
        self._clients: dict[tuple[str, str, bool], Any] = {}
        self._lock = RLock()
        self._session: Any = None
        self._may_write: Callable[[], None] = _may

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self.settings.name

    @property
    def home(self) -> str:
        """The region that is asked for what is the same in all."""
        return self.settings.regions[0]

    def guarded(self, may_write: Callable[[], None]) -> Self:
        """The same account, with each write held to the kill switch."""
        made = copy(self)
        made._may_write = may_write  # noqa: SLF001  (its own copy)
        return made

    def read(self, service: str, operation: str, region: str = "", /, **asked: Any) -> Json:
        """The answer. `operation` is AWS's own name of it ("DescribeServices"). What is read from it and is not there raises
        UnreachableError."""
        return self._call(service, operation, region, asked)

    def write(self, service: str, operation: str, region: str = "", /, **asked: Any) -> Json:
        """The answer to a call that changes something and may be sent again without harm."""
        with _asking(self._may_write):
            return self._call(service, operation, region, asked)

    def write_once(self, service: str, operation: str, region: str = "", /, **asked: Any) -> Json:
        """The same for one that must not be sent twice: without an answer nobody knows whether it took effect."""
        with _asking(self._may_write):
            return self._call(service, operation, region, asked, once=True)

    def pages(self, service: str, operation: str, key: str, region: str = "", /, **asked: Any) -> Iterator[Any]:
        """Each item under `key`, of every page. A page without it is no page: an empty list is sent as one."""
        client = self._client(service, region, once=False)
        paginator = client.get_paginator(_python(operation))
        pages = iter(paginator.paginate(**asked))
        while True:
            with self._told(service, operation, region):
                page = next(pages, None)
            if page is None:
                return
            yield from self._answer(page, service, operation, region)[key] or ()

    def identity(self) -> str:
        """The account's number, as AWS itself tells it now."""
        return str(self.read("sts", "GetCallerIdentity")["Account"])

    def caller(self) -> str:
        """The principal that patchgap itself is: `arn:aws:iam::…:role/NAME` for an assumed role, as policies name it."""
        arn = str(self.read("sts", "GetCallerIdentity")["Arn"])
        if ":assumed-role/" not in arn:
            return arn
        head, _, rest = arn.partition(":assumed-role/")
        return f"{head.replace(':sts:', ':iam:')}:role/{rest.partition('/')[0]}"

    def reading(self, service: str, operation: str) -> AbstractContextManager[None]:
        """While the body of an answer is read: its errors as those of the call."""
        return self._told(service, operation, "")

    def _call(self, service: str, operation: str, region: str, asked: Json, *, once: bool = False) -> Json:
        client = self._client(service, region, once=once)
        with self._told(service, operation, region):
            said = getattr(client, _python(operation))(**asked)
        return self._answer(said, service, operation, region)

    def _answer(self, said: Any, service: str, operation: str, region: str) -> Json:
        answer: Json = answered(said, f"{self._at(region)}: {permission_of(service, operation)}")
        return answer

    def _told(self, service: str, operation: str, region: str) -> AbstractContextManager[None]:
        return told(self._at(region), permission_of(service, operation))

    def _at(self, region: str) -> str:
        return f"account {self.name}" + (f" ({region})" if region else "")

    def _client(self, service: str, region: str, *, once: bool) -> Any:
        key = (service, self.home if service in _GLOBAL else region or self.home, once)
        with self._lock, told(f"account {self.name}", f"{service}:*"):
            if key not in self._clients:
                made = self._session or _session(self.settings)
                self._session = made
                client = made.client(
                    service, region_name=key[1], endpoint_url=self.settings.endpoint or None, config=self._bounds(once)
                )
                client.meta.events.register("before-send", _before_send)  # of each try: the SDK repeats by itself
                bound(client, self._timeout)
                self._clients[key] = client
            return self._clients[key]

    def _bounds(self, once: bool) -> Any:
        from botocore.config import Config  # imported late: half a second

        return Config(
            connect_timeout=self._timeout,
            read_timeout=self._timeout,
            retries={"mode": "standard", "total_max_attempts": 1 if once else 4},
            max_pool_connections=20,
            user_agent_extra="patchgap",
        )


@contextmanager
def _asking(may_write: Callable[[], None]) -> Iterator[None]:
    """What this thread sends meanwhile is asked for before each try: the kill switch may be raised while one waits."""
    may_write()
    before = getattr(_LEAVE, "asked", _may)
    _LEAVE.asked = may_write
    try:
        yield
    finally:
        _LEAVE.asked = before


def _before_send(**_event: Any) -> None:
    getattr(_LEAVE, "asked", _may)()


def _may() -> None:
    """Reading alone asks for no leave."""


def _python(operation: str) -> str:
    from botocore import xform_name  # imported late: half a second

    return str(xform_name(operation))


def _session(settings: AwsAccount) -> Any:
    import boto3  # imported late: half a second, and only where an account is asked

    logging.getLogger("botocore").setLevel(logging.INFO)  # its debug log holds what is sent and answered, secrets too
    session = boto3.session.Session(profile_name=settings.profile or None, region_name=settings.regions[0])
    return _assumed(session, settings) if settings.role_arn else session


def _assumed(session: Any, settings: AwsAccount) -> Any:
    """A session as the role, with credentials that are renewed before they expire."""
    import boto3
    import botocore.session
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    create = partial(
        session._session.create_client,  # noqa: SLF001  (boto3 offers no public way to renew an assumed role)
        region_name=settings.regions[0],
        endpoint_url=settings.endpoint or None,
    )
    extra = {"RoleSessionName": "patchgap"} | ({"ExternalId": settings.external_id} if settings.external_id else {})
    fetcher = AssumeRoleCredentialFetcher(create, session.get_credentials(), settings.role_arn, extra_args=extra)
    inner = botocore.session.get_session()
    inner._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # noqa: SLF001
    return boto3.session.Session(botocore_session=inner, region_name=settings.regions[0])
