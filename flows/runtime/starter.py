"""Starts a deployment's run: the one way in for the receiver and the command line. Ids only, and one run a key."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import httpx
from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    temporary_settings,
)

from flows.runtime.address import PrefectAddress
from patchgap.errors import NotFoundError, UnreachableError


class PrefectStarter:
    """`patchgap.ports.FlowStarter` on a Prefect server. Its client tries a 503 again with the same key."""

    def __init__(self, address: PrefectAddress, retries: int = 2) -> None:
        self._address = address
        self._retries = retries

    def start(self, flow: str, parameters: Mapping[str, object], idempotency_key: str, tags: Sequence[str] = ()) -> str:
        """The flow run's id; the same key is the same run. Raises UnreachableError where the server does not answer,
        NotFoundError where the deployment is not declared there."""
        with self._asking(flow) as client:
            deployment = client.read_deployment_by_name(f"{flow}/{flow}")
            run = client.create_flow_run_from_deployment(
                deployment.id,
                parameters=dict(parameters),
                idempotency_key=idempotency_key,
                tags=[*deployment.tags, *tags],
            )
            return str(run.id)

    def see(self, flow: str) -> None:
        """Raises what `start` would raise, and starts nothing."""
        with self._asking(flow) as client:
            client.read_deployment_by_name(f"{flow}/{flow}")

    @contextmanager
    def _asking(self, flow: str) -> Iterator[SyncPrefectClient]:
        try:
            with self.client() as client:
                yield client
        except ObjectNotFound as error:
            raise NotFoundError(
                f"no deployment {flow}/{flow} is declared on {self._address.api_url}",
                "Declare it: `patchgap up`, or `prefect --no-prompt deploy --all`.",
            ) from error
        except (httpx.HTTPError, PrefectException, RuntimeError, OSError) as error:
            raise UnreachableError(
                f"{flow} could not be started on {self._address.api_url}: {type(error).__name__}",
                "See that the Prefect server runs and that PREFECT_API_AUTH_STRING is right, then try again.",
            ) from error

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """Prefect's client on this very server, whichever this process was configured for when it imported Prefect."""
        with self._settings(), get_client(sync_client=True) as client:
            yield client

    def _settings(self) -> AbstractContextManager[object]:
        return temporary_settings(
            {
                PREFECT_API_URL: self._address.api_url,
                PREFECT_API_AUTH_STRING: self._address.auth or None,
                PREFECT_CLIENT_MAX_RETRIES: self._retries,
            }
        )


def for_process(environ: Mapping[str, str] = os.environ) -> PrefectStarter:
    """The starter for the server that this process is configured for. Raises UnreachableError where it is for none."""
    from flows.runtime.address import configured

    address = configured(environ)
    if address is None:
        raise UnreachableError("no Prefect API is configured", "Set PREFECT_API_URL, or use `patchgap up`.")
    return PrefectStarter(address)
