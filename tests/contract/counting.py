"""What is really written to a control plane: every call that is neither a read nor the server's own dry run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from integrations.kubernetes.cluster import Cluster
from integrations.kubernetes.transport import HttpAnswer


def counted(cluster: Cluster) -> Callable[[], list[str]]:
    """The writes from now on, as method and path."""
    real, sent = cluster._transport, list[str]()

    class Counting:
        def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
            dry = "dryRun" in url or "dryRun" in (json.loads(body) if body else {})
            if method != "GET" and not dry and "selfsubject" not in url:
                sent.append(f"{method} {url}")
            answer: HttpAnswer = real.send(method, url, headers, body)
            return answer

        def bearer(self, token: str) -> Any:
            return real.bearer(token)

    cluster._transport = Counting()  # type: ignore[assignment]
    return lambda: sent
