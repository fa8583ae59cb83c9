"""Settings: flags, then `PATCHGAP_*` variables, then `patchgap.toml`; nothing else decides.

A secret is a reference (`env:NAME` or `file:/path`), resolved where it is used and held nowhere.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from patchgap.errors import BadInputError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClusterSettings(_Section):
    """One Kubernetes cluster. Without `kubeconfig`, the in-cluster credentials."""

    name: str
    kubeconfig: Path | None = None
    context: str | None = None
    environment: str = ""  # where no label says otherwise
    region: str = ""


class KubernetesSettings(_Section):
    """How to read workloads, and where patchgap keeps its own objects."""

    clusters: tuple[ClusterSettings, ...] = ()
    namespace: str = "patchgap"
    timeout_seconds: float = Field(default=10, gt=0)
    environment_label: str = "patchgap.dev/environment"
    region_label: str = "topology.kubernetes.io/region"
    classification_label: str = "patchgap.dev/classification"
    writes_to_annotation: str = "patchgap.dev/writes-to"
    internet_exposed_label: str = "patchgap.dev/internet-exposed"


class WebhookSettings(_Section):
    """The receiver. `secret` is a reference to a Standard Webhooks secret (`whsec_…`)."""

    host: str = "127.0.0.1"
    port: int = 8484
    secret: str = "env:PATCHGAP_WEBHOOK_SECRET"  # noqa: S105  (a reference)


class PrometheusSettings(_Section):
    """Where anomaly signals are measured. `token` is a reference, "" for none."""

    url: str = ""
    token: str = ""
    timeout_seconds: float = Field(default=10, gt=0)
    queries: Mapping[str, str] = Field(default_factory=dict)  # name -> PromQL that is above 0 while the anomaly lasts


class TicketSink(_Section):
    """Where incidents and tickets are opened: a generic webhook (`url`) or a folder (`folder`)."""

    kind: Literal["webhook", "file"] = "file"
    url: str = ""
    token: str = ""  # a reference
    folder: Path | None = None


class Protection(_Section):
    """What patchgap must never touch, beyond kube-system, its own namespace and control-plane nodes."""

    namespaces: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()  # cluster/namespace/Kind/name, each part may be *


class Settings(_Section):
    """Everything that is configured. `home` holds the database, evidence and reports."""

    home: Path
    database_url: str
    playbooks: tuple[Path, ...] = ()  # folders besides the shipped ones
    kubernetes: KubernetesSettings = KubernetesSettings()
    webhook: WebhookSettings = WebhookSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    tickets: TicketSink = TicketSink()
    protect: Protection = Protection()
    times_scale: float = Field(default=1.0, gt=0, le=1)  # a drill's shortened times: 0.01 turns 30m into 18 s


def load(
    environ: Mapping[str, str] = os.environ,
    *,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings of this process. `overrides` are flags, by field name; the file is `file`, else
    `PATCHGAP_CONFIG`, else `patchgap.toml` in the working directory or in PATCHGAP_HOME, where present.

    Raises BadInputError naming the file and the field."""
    home = Path(environ.get("PATCHGAP_HOME") or _data_folder())
    path = (
        file
        or _named(environ)
        or next((p for p in (Path("patchgap.toml"), home / "patchgap.toml") if p.is_file()), None)
    )
    document = _read(path) if path else {}
    document.setdefault("home", home)
    if url := environ.get("PATCHGAP_DATABASE_URL"):
        document["database_url"] = url
    document.setdefault("database_url", f"sqlite:///{Path(document['home']) / 'patchgap.db'}")
    document.update(overrides or {})
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise BadInputError(
            path or "settings",
            f"{where}: {first['msg']}",
            "Correct that field; `docs/settings.md` lists them all.",
        ) from error


def _data_folder() -> Path:
    from platformdirs import user_data_path  # imported late: seldom needed

    return user_data_path("patchgap")


def _named(environ: Mapping[str, str]) -> Path | None:
    return Path(environ["PATCHGAP_CONFIG"]) if environ.get("PATCHGAP_CONFIG") else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInputError(
            path, f"cannot be read as TOML: {error}", "Correct the file or name another with PATCHGAP_CONFIG."
        ) from error


def secret(reference: str, environ: Mapping[str, str] = os.environ) -> str:
    """The value behind `env:NAME` or `file:/path`. Raises BadInputError naming the reference, never a value."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env" and environ.get(rest):
        return environ[rest]
    if scheme == "file":
        try:
            return Path(rest).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadInputError(
                reference, "the secret's file cannot be read", "Create it, readable by patchgap alone."
            ) from error
    if scheme == "env":
        raise BadInputError(reference, "the variable is not set", f"Set {rest}, or name another reference.")
    raise BadInputError(
        "a secret reference", "it is neither env:NAME nor file:/path", "Write a reference, never the value."
    )
