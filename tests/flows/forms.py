"""The form of a suspended run of `approve`, as the Prefect UI shows and sends it: by the server's own API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterTags
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from tests.flows.running import Up, wait_until


@contextmanager
def client_of(up: Up) -> Iterator[SyncPrefectClient]:
    """Prefect's own client on that server."""
    with (
        temporary_settings({PREFECT_API_URL: up.address.api_url, PREFECT_API_AUTH_STRING: up.address.auth}),
        get_client(sync_client=True) as opened,
    ):
        yield opened


class Form:
    """The one form of an incident. `said` holds what each showing of it said."""

    def __init__(self, client: SyncPrefectClient, incident: str) -> None:
        self._client = client
        self._incident = incident
        self.said: list[str] = []

    def run(self) -> Any:
        """The run of `approve`; fails where there is another number of them."""
        found = self._client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["approve"])),
            flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[self._incident])),
        )
        assert len(found) <= 1, [r.name for r in found]
        return found[0] if found else None

    def shown(self) -> dict[str, Any]:
        """Waits until the form is shown anew; its schema."""
        assert wait_until(self._is_shown, 120), self.run()
        return self._held("schema")

    def _is_shown(self) -> bool:
        run = self.run()
        if run is None or run.state.name != "Suspended":
            return False
        details = run.state.state_details
        self._keys = details.run_input_keyset
        held = {i.key: i for i in self._inputs()}
        if not {self._keys["schema"], self._keys["description"]} <= held.keys():
            return False
        self.said.append(self._held("description"))
        return True

    def send(self, **answer: str) -> Any:
        """Resumes the run as the form does."""
        return self._client.resume_flow_run(self.run().id, run_input=answer)

    def ended(self) -> bool:
        """Whether the run has come to its end."""
        return bool(self.run().state.is_final())

    def _inputs(self) -> Any:
        return self._client.filter_flow_run_input(self.run().id, key_prefix="suspended", limit=200, exclude_keys=set())

    def _held(self, part: str) -> Any:
        return next(i for i in self._inputs() if i.key == self._keys[part]).decoded_value

    def stored(self) -> str:
        """All that Prefect holds of what was sent."""
        return " ".join(i.value for i in self._inputs() if i.key.endswith("response"))
