"""Reaching a control plane: clients from kubeconfig files, and waiting until something holds.

Owns the plain HTTP side of the suite, and the types of its fixtures.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

MakeNamespace = Callable[..., str]
Eventually = Callable[..., Any]
ClientFor = Callable[[Path], httpx.Client]


def wait(look: Callable[[], Any], within: float, what: str) -> Any:
    """What `look` returns once it is true; raises AssertionError after `within` seconds."""
    ends = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > ends:
            raise AssertionError(f"not within {within:g} s: {what or look}")
        time.sleep(0.02)
    return found


def client_from(document: dict[str, Any]) -> httpx.Client:
    """A client with the server and the credentials of a kubeconfig document."""
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    verify: ssl.SSLContext | bool = True
    if "certificate-authority-data" in cluster:
        verify = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        if "client-certificate-data" in user:
            with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
                pair.write(base64.b64decode(user["client-certificate-data"]))
                pair.write(base64.b64decode(user["client-key-data"]))
                pair.flush()
                verify.load_cert_chain(pair.name)
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    return httpx.Client(base_url=cluster["server"], headers=headers, verify=verify, timeout=30, trust_env=False)
