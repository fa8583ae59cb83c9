"""Reading a kubeconfig: one clear error, with the file and the field, before any connection is tried.

Owns what a context must hold; the official client does the loading. No value of a credential is ever shown.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchgap.errors import BadInputError
from patchgap.settings import ClusterSettings

_ENCODED = ("certificate-authority-data", "client-certificate-data", "client-key-data")
_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")


def client_of(cluster: ClusterSettings) -> Any:
    """The official client's ApiClient for one cluster. Raises BadInputError naming the file and the field."""
    from kubernetes import client, config  # imported late: costs 0.6 s, and most commands reach no cluster

    held = client.Configuration()
    held.retries = False  # the client's own three would multiply the deadline; patchgap's are bounded
    if cluster.kubeconfig is None:
        return client.ApiClient(_in_cluster(cluster, held, config))
    checked(cluster.kubeconfig, cluster.context)
    try:
        _load(config, cluster, held)
    except (config.ConfigException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInputError(
            cluster.kubeconfig,
            f"the client cannot use it ({type(error).__name__})",
            f"Try `kubectl --kubeconfig {cluster.kubeconfig} version`, and correct what it names.",
        ) from error
    return client.ApiClient(held)


def _load(config: Any, cluster: ClusterSettings, held: Any) -> None:
    config.load_kube_config(str(cluster.kubeconfig), cluster.context, held, persist_config=False)


def _in_cluster(cluster: ClusterSettings, held: Any, config: Any) -> Any:
    try:
        config.load_incluster_config(client_configuration=held)
    except config.ConfigException as error:
        raise BadInputError(
            f"cluster {cluster.name}",
            "kubeconfig: none is named, and this process has no in-cluster credentials",
            "Set kubernetes.clusters.kubeconfig in patchgap.toml, or pass --kubeconfig FILE.",
        ) from error
    return held


def checked(path: Path, context: str | None) -> None:
    """Raises BadInputError where the file, its context, or what the context names cannot be used."""
    document = _read(path)
    chosen = context or document.get("current-context")
    if not chosen:
        raise BadInputError(
            path, "current-context: it names no context", "Set it, or name one with context = or --context."
        )
    link = _entry(path, document, "contexts", "context", str(chosen))
    cluster = _entry(path, document, "clusters", "cluster", _field(path, link, f"contexts[{chosen}]", "cluster"))
    where = f"clusters[{link['cluster']}]"
    server = _field(path, cluster, where, "server")
    if not server.startswith(("https://", "http://")):
        raise BadInputError(path, f"{where}.server: it is no http(s) address", "Write https://host:port.")
    _material(path, cluster, where)
    if link.get("user"):
        user = _entry(path, document, "users", "user", str(link["user"]))
        _material(path, user, f"users[{link['user']}]")


def _read(path: Path) -> Mapping[str, Any]:
    from ruamel.yaml import YAML  # imported late, as the client is
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(
            path, f"the kubeconfig cannot be read: {error.strerror}", "Check the path and that patchgap may read it."
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)  # only the place: the text around it may be a credential
        line = f" at line {mark.line + 1}" if mark else ""
        raise BadInputError(path, f"the kubeconfig is not YAML{line}", "Correct it, or export it again.") from error
    if not isinstance(document, dict):
        raise BadInputError(
            path, "the kubeconfig is no mapping of fields", "Export it again with your provider's tool."
        )
    return document


def _entry(path: Path, document: Mapping[str, Any], listed: str, part: str, name: str) -> Mapping[str, Any]:
    entries = document.get(listed)
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise BadInputError(path, f"{listed}: it is no list of entries", "Export the kubeconfig again.")
    found = next((e for e in entries if e.get("name") == name), None)
    if found is None:
        names = (e.get("name") for e in entries)  # a name that is no text may be a mislaid credential
        known = ", ".join(sorted(n[:80] for n in names if isinstance(n, str))) or "none"
        raise BadInputError(path, f"{listed}: there is no entry {name!r}", f"Use one of: {known}.")
    if not isinstance(found.get(part), dict):
        raise BadInputError(path, f"{listed}[{name}].{part}: it is missing", "Export the kubeconfig again.")
    held: Mapping[str, Any] = found[part]
    return held


def _field(path: Path, held: Mapping[str, Any], where: str, field: str) -> str:
    value = held.get(field)
    if not isinstance(value, str) or not value:
        raise BadInputError(path, f"{where}.{field}: it is missing", "Add it, or export the kubeconfig again.")
    return value


def _material(path: Path, held: Mapping[str, Any], where: str) -> None:
    for field in _ENCODED:
        if field in held:
            try:
                base64.b64decode(str(held[field]), validate=True)
            except binascii.Error as error:
                raise BadInputError(
                    path, f"{where}.{field}: it is not base64", "Export the kubeconfig again."
                ) from error
    for field in _FILES:
        if field in held and not (path.parent / str(held[field])).is_file():
            raise BadInputError(
                path,
                f"{where}.{field}: the file {held[field]} is not there",
                "Correct the path; it is relative to the kubeconfig.",
            )
