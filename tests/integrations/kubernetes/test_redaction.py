"""What may be a secret does not stay in a manifest that is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.redaction import redacted

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghij"


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "DB_PASSWORD", "value": "leaks"},
        {"name": "PLAIN", "value": "postgres://u:leaks@db/x"},
        {"name": "PLAIN", "value": f"{JWT}leaks"},
        {"name": "PLAIN", "value": "leaks" + "A1b2C3d4" * 5},
        {"name": "AWS_SECRET_ACCESS_KEY", "value": "leaks"},
        {"name": "SENTRY_DSN", "value": "leaks"},
    ],
)
def test_a_variable_that_looks_secret_is_hidden(entry: dict[str, str]) -> None:
    """By its name or by the shape of its value; the name stays."""
    manifest = {"kind": "Pod", "spec": {"containers": [{"name": "c", "env": [entry]}]}}
    found = json.dumps(redacted(manifest))
    assert "leaks" not in found
    assert entry["name"] in found


@pytest.mark.parametrize(
    "manifest",
    [
        {"kind": "Secret", "data": {"a": "leaks"}, "stringData": {"b": "leaks"}},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "command": ["run", "--password", "leaks"]}]}},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "args": ["--auth-token=leaks"]}]}},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "args": ["curl", "https://u:leaks@host/"]}]}},
        {"kind": "Pod", "metadata": {"managedFields": [{"manager": "leaks"}]}},
        {
            "kind": "Pod",
            "metadata": {
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": json.dumps(
                        {"spec": {"containers": [{"name": "c", "env": [{"name": "API_KEY", "value": "leaks"}]}]}}
                    )
                }
            },
        },
        {"kind": "Pod", "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "leaks{"}}},
        {"kind": "Event", "message": "Authorization: Bearer leaks12345678"},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "command": ["sh", "-c", "DB_PASSWORD=leaks ./run"]}]}},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "args": ["API_TOKEN=leaks"]}]}},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "command": ["sh", "-c", "curl --token leaks host"]}]}},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "args": ["https://h/x?api_key=leaks"]}]}},
        {"kind": "Pod", "spec": {"containers": [{"name": "c", "args": ['{"password": "leaks"}']}]}},
        {"kind": "Pod", "spec": {"volumes": [{"csi": {"volumeAttributes": {"clientSecret": "leaks"}}}]}},
        {"kind": "Pod", "metadata": {"annotations": {"vendor.example/api-key": "leaks"}}},
    ],
)
def test_secrets_are_hidden_wherever_they_stand(manifest: dict[str, Any]) -> None:
    """In data, arguments, addresses, earlier manifests and messages."""
    assert "leaks" not in json.dumps(redacted(manifest))


def test_what_is_no_secret_stays() -> None:
    """Names, images, plain variables and references to Secrets are kept as they are."""
    container = {
        "name": "c",
        "image": "r.example/a@sha256:" + "a" * 64,
        "env": [
            {"name": "EPOCHS", "value": "12"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "args": ["--epochs=12", "train"],
    }
    manifest = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container], "volumes": []}}
    assert redacted(manifest) == manifest


def test_what_only_names_a_secret_stays() -> None:
    """Where a secret is kept is evidence, and no secret."""
    spec = {
        "serviceAccountName": "trainer",
        "volumes": [{"name": "v", "secret": {"secretName": "db-password"}}],
        "containers": [
            {"name": "c", "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]}
        ],
    }
    assert redacted({"kind": "Pod", "spec": spec})["spec"] == spec
