"""Kubeconfigs: one error with file and field, and never a credential in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrations.kubernetes.clusters import Clusters
from integrations.kubernetes.kubeconfig import client_of
from patchgap.errors import BadInputError, NotFoundError
from patchgap.settings import ClusterSettings, KubernetesSettings

SECRET = "s3cr3t-token"


def document(**changes: Any) -> dict[str, Any]:
    """A kubeconfig that is sound but for the changes."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
        **changes,
    }


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("a: [", "is not YAML at line 1"),
        ("- 1", "is no mapping of fields"),
        (document(**{"current-context": ""}), "current-context: it names no context"),
        (document(contexts=None), "contexts: it is no list"),
        (document(clusters=[]), "clusters: there is no entry 'k'"),
        (document(users=[{"name": "u"}]), r"users\[u\].user: it is missing"),
        (document(clusters=[{"name": "k", "cluster": {}}]), r"clusters\[k\].server: it is missing"),
        (document(clusters=[{"name": "k", "cluster": {"server": "ftp://x"}}]), "is no http"),
        (
            document(clusters=[{"name": "k", "cluster": {"server": "https://x", "certificate-authority-data": "%%"}}]),
            r"clusters\[k\].certificate-authority-data: it is not base64",
        ),
        (document(users=[{"name": {"token": SECRET}}]), "users: there is no entry 'u'. Use one of: none"),
        ("a: 2001-99-99", "is not YAML"),
        ("[" * 1_100, "is not YAML"),
        (document(users=[{"name": "u", "user": {"client-key": "none.pem"}}]), r"users\[u\].client-key: the file"),
    ],
)
def test_a_bad_kubeconfig_is_one_error_with_its_field(tmp_path: Path, written: Any, words: str) -> None:
    """The file and the field are named, the fix is said, and no credential is shown."""
    file = tmp_path / "config"
    file.write_text(written if isinstance(written, str) else json.dumps(written))
    with pytest.raises(BadInputError, match=words) as caught:
        client_of(ClusterSettings(name="k", kubeconfig=file))
    assert str(file) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    """A path that is not there is told as such."""
    with pytest.raises(BadInputError, match="cannot be read: No such file"):
        client_of(ClusterSettings(name="k", kubeconfig=tmp_path / "none"))


def test_without_kubeconfig_or_cluster_the_fix_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a cluster, a cluster without kubeconfig says which setting is missing."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(BadInputError, match="no in-cluster credentials"):
        client_of(ClusterSettings(name="k"))


def test_an_unconfigured_cluster_is_named_with_those_that_are() -> None:
    """A name that no cluster has is an error that lists the names."""
    clusters = Clusters(KubernetesSettings(clusters=(ClusterSettings(name="prod"),)))
    with pytest.raises(NotFoundError, match="Use one of: prod"):
        clusters.of("other")
