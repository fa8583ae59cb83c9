"""Settings: flags, then `PATCHGAP_*` variables, then `patchgap.toml`; nothing else decides.

A secret is a reference (`env:NAME` or `file:/path`), resolved where it is used and held nowhere.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from patchgap.errors import BadInputError
from patchgap.playbook.quantities import Duration

NO_CLUSTER = (  # a problem and its fix
    "no cluster is configured",
    "Add [[kubernetes.clusters]] or [[aws.accounts]] to patchgap.toml, or name one with --kubeconfig.",
)


def _reference(text: str) -> str:
    if text and not text.startswith(("env:", "file:")):
        raise ValueError("it is no reference; write env:NAME or file:/path, never the value")
    return text


def _address(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError("it is no address; write http(s)://HOST:PORT")
    return text


def _once(named: Iterable[str]) -> None:
    names = list(named)
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise ValueError(f"the name {twice!r} stands twice")


Reference = Annotated[str, AfterValidator(_reference)]  # to a secret, "" for none
Address = Annotated[str, AfterValidator(_address)]  # "" for none


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


# Of a cluster or an account: a workload is cluster/namespace/Kind/name wherever it is written.
PlaceName = Annotated[str, Field(pattern=r"^[^\s/\x00-\x1f]+$")]


class ClusterSettings(_Section):
    """One Kubernetes cluster. Without `kubeconfig`, the in-cluster credentials."""

    name: PlaceName
    kubeconfig: Path | None = None
    context: str | None = None
    environment: str = ""  # where no label says otherwise
    region: str = ""


class RotatorSettings(_Section):
    """Who gives a Secret another value: a webhook of the team's own, or a person. `secrets` are CLUSTER/NAMESPACE/NAME,
    each part may hold *; with `labels`, the Secret must bear them all."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    kind: Literal["webhook", "person"] = "webhook"
    secrets: tuple[Annotated[str, Field(pattern=r"^[^/\s]+/[^/\s]+/[^/\s]+$")], ...] = Field(min_length=1)
    labels: Mapping[str, str] = Field(default_factory=dict)
    url: Address = ""
    token: Reference = ""
    timeout_seconds: float = Field(default=10, gt=0)
    wait_seconds: float = Field(default=20, ge=0)  # for the changed value, before the next round looks again

    @model_validator(mode="after")
    def _asked_how(self) -> RotatorSettings:
        if (self.kind == "webhook") != bool(self.url and self.token):
            raise ValueError(f'the rotator {self.name!r} needs a url and a token, or is kind = "person" without')
        return self


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
    rotators: tuple[RotatorSettings, ...] = ()

    @field_validator("rotators")
    @classmethod
    def _rotators_once(cls, rotators: tuple[RotatorSettings, ...]) -> tuple[RotatorSettings, ...]:
        _once(r.name for r in rotators)
        return rotators

    @field_validator("clusters")
    @classmethod
    def _each_once(cls, clusters: tuple[ClusterSettings, ...]) -> tuple[ClusterSettings, ...]:
        _once(c.name for c in clusters)
        return clusters


class AwsRotation(_Section):
    """Which credentials a workload uses, where neither its task definition nor its tags say so."""

    workload: str = Field(min_length=1)  # NAMESPACE/KIND/NAME, each part may hold *
    secret: str = Field(min_length=1)  # the name or ARN of the Secrets Manager secret that it reads
    user: str = ""  # the IAM user whose access key the secret holds; "" where the secret has a rotation function


class AwsAccount(_Section):
    """One AWS account. Credentials are those that AWS's own tools find, of `profile` where one is named; with `role_arn`
    that role is assumed with them."""

    name: PlaceName
    regions: tuple[Annotated[str, Field(pattern=r"^[a-z0-9-]+$")], ...] = Field(min_length=1)
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""
    endpoint: Address = ""  # anything that speaks AWS's protocols; "" for AWS itself
    environment: str = ""  # where no tag says otherwise
    deployers: tuple[str, ...] = ()  # the IAM roles that deploy: a freeze denies them
    rotations: tuple[AwsRotation, ...] = ()


class AwsSettings(_Section):
    """How to read workloads of AWS accounts."""

    accounts: tuple[AwsAccount, ...] = ()
    timeout_seconds: float = Field(default=10, gt=0)
    environment_tag: str = "patchgap.dev/environment"
    classification_tag: str = "patchgap.dev/classification"
    writes_to_tag: str = "patchgap.dev/writes-to"
    internet_exposed_tag: str = "patchgap.dev/internet-exposed"
    user_tag: str = "patchgap.dev/user"  # on a secret: the IAM user whose access key it holds
    secret_tag: str = "patchgap.dev/secret"  # noqa: S105  (a tag's name: on a workload, the secret that it reads)


class WebhookSettings(_Section):
    """The receiver. `secret` is a reference to a Standard Webhooks secret (`whsec_…`); `url` is how people's browsers
    reach it, for links in notifications."""

    url: Address = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8484, ge=0, le=65535)  # 0 takes a free one
    secret: Reference = "env:PATCHGAP_WEBHOOK_SECRET"  # noqa: S105  (a reference)


class PrometheusSettings(_Section):
    """Where anomaly signals are measured. `token` is a reference, "" for none."""

    url: Address = ""
    token: Reference = ""
    timeout_seconds: float = Field(default=10, gt=0)
    queries: Mapping[str, str] = Field(default_factory=dict)  # name -> PromQL that is above 0 while the anomaly lasts


class RegistrySettings(_Section):
    """An OCI registry whose images are looked up on their own when the inventory is refreshed."""

    host: str = Field(pattern=r"^[A-Za-z0-9.-]+(:[0-9]{1,5})?$")  # as image references write it
    plain_http: bool = False
    refresh: bool = True  # whether the inventory asks it for the SBOMs of images that have none


class RegistriesSettings(_Section):
    """OCI registries. `docker_config` holds the credentials, as `docker login` writes it."""

    docker_config: Path | None = None
    timeout_seconds: float = Field(default=30, gt=0)  # of each request
    refresh_seconds: float = Field(default=120, gt=0)  # of all that one refresh of the inventory asks
    hosts: tuple[RegistrySettings, ...] = ()


def _store(text: str) -> str:
    if (
        text
        and not (text.startswith("s3://") and text.removeprefix("s3://").strip("/"))
        and not Path(text).is_absolute()
    ):
        raise ValueError("it is neither a folder nor a bucket; write /PATH or s3://BUCKET/PREFIX")
    return text


class ForensicsSettings(_Section):
    """Where what was captured is kept: `forensics` of the data folder where `to` is empty, a folder, or a bucket, whose
    credentials are those that AWS's own tools find. Logs are bounded, and told where they are cut."""

    to: Annotated[str, AfterValidator(_store)] = ""
    region: str = "us-east-1"  # of the bucket
    profile: str = ""
    endpoint: Address = ""  # anything that speaks S3; "" for AWS itself
    log_bytes: int = Field(default=1 << 20, ge=1)  # of each container's log
    logs_bytes: int = Field(default=64 << 20, ge=1)  # of all logs of one workload


class AdvisoriesSettings(_Section):
    """A local mirror of advisories: a folder of OSV records or of OSV's zips, or one of those."""

    mirror: Path | None = None


SinkVerb = Literal["open_incident", "open_ticket", "notify", "person_called"]
SinkSeverity = Literal["sev1", "sev2", "sev3", "sev4"]


class SinkSettings(_Section):
    """Where people are told: one service, by name. Empty `verbs` or `severities` take all; `options` are its kind's.
    `person` says that one person alone reads it: a plan that waits is asked of them by a link of their own."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    kind: str = Field(min_length=1)
    verbs: tuple[SinkVerb, ...] = ()
    severities: tuple[SinkSeverity, ...] = ()
    person: str = ""
    url: Address = ""
    token: Reference = ""
    options: Mapping[str, Any] = Field(default_factory=dict)


class PatchSettings(_Section):
    """When work that can wait is done: a file of windows, `weekly` alone where none is given."""

    windows: Path | None = None


class GitHubSettings(_Section):
    """Where promotion is held: GitHub. Without a token nothing is. `repositories` says which repository builds an image,
    where provenance does not ("" for one that is not built here)."""

    url: Address = "https://api.github.com"
    token: Reference = ""
    repositories: Mapping[str, str] = Field(default_factory=dict)  # image repository -> owner/name
    environments: tuple[str, ...] = ("production",)
    branches: tuple[str, ...] = ("~DEFAULT_BRANCH",)  # as rulesets write them
    mend_teams: tuple[int, ...] = ()  # ids of teams whose pull requests a locked branch still takes


class Protection(_Section):
    """What patchgap must never touch, beyond kube-system, its own namespace and control-plane nodes."""

    namespaces: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()  # cluster/namespace/Kind/name, each part may be *


class Ceilings(_Section):
    """The most that patchgap changes, whatever a playbook says; above it nothing of a plan runs. Nothing stands here: no
    limit besides the playbooks'."""

    per_action: Mapping[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)  # verb -> targets of a plan
    per_incident: int | None = Field(default=None, ge=1)  # workloads, over all plans of an incident
    per_hour: int | None = Field(default=None, ge=1)  # workloads, over all incidents


class ContainmentSettings(_Section):
    """How long isolation and freezes may stand before a person is called, and how often again. They stay all the same."""

    stands_for: Duration = timedelta(hours=24)  # where a playbook's step does not say
    call_again: Duration = timedelta(hours=4)


class Settings(_Section):
    """Everything that is configured. `home` holds the database, evidence and reports."""

    home: Path
    database_url: str
    playbooks: tuple[Path, ...] = ()  # folders besides the shipped ones
    approvers: tuple[str, ...] = ()  # who may say yes to a plan; whoever has a code, where nobody is named
    kubernetes: KubernetesSettings = KubernetesSettings()
    aws: AwsSettings = AwsSettings()
    webhook: WebhookSettings = WebhookSettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    registries: RegistriesSettings = RegistriesSettings()
    advisories: AdvisoriesSettings = AdvisoriesSettings()
    sinks: tuple[SinkSettings, ...] = ()  # a folder of files where none is given
    github: GitHubSettings = GitHubSettings()
    forensics: ForensicsSettings = ForensicsSettings()
    patch: PatchSettings = PatchSettings()
    protect: Protection = Protection()
    limits: Ceilings = Ceilings()
    containment: ContainmentSettings = ContainmentSettings()
    times_scale: float = Field(default=1.0, gt=0, le=1)  # a drill's, of the times in docs/drill.md

    @property
    def linked(self) -> tuple[str, ...]:
        """Those to whom a link of their own may be made, which answers for them: the approvers, or where none is named the
        persons of the sinks. Nobody else."""
        return self.approvers or tuple(s.person.strip() for s in self.sinks if s.person.strip())

    @property
    def clusters(self) -> tuple[str, ...]:
        """The name of every configured cluster and account."""
        return (*(c.name for c in self.kubernetes.clusters), *(a.name for a in self.aws.accounts))

    @model_validator(mode="after")
    def _each_name_once(self) -> Settings:
        if twice := next((n for n in self.clusters if self.clusters.count(n) > 1), None):
            raise ValueError(f"the name {twice!r} stands twice among clusters and accounts")
        return self

    @field_validator("sinks")
    @classmethod
    def _sinks_once(cls, sinks: tuple[SinkSettings, ...]) -> tuple[SinkSettings, ...]:
        _once(s.name for s in sinks)
        return sinks


def load(
    environ: Mapping[str, str] = os.environ,
    *,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings of this process. `overrides` are flags, by field name; the file is `file`, else
    `PATCHGAP_CONFIG`, else `patchgap.toml` in the working directory or in PATCHGAP_HOME, where present.

    Raises BadInputError naming the file and the field."""
    named = environ.get("PATCHGAP_HOME")
    home = Path(named or _data_folder())
    path = (
        file
        or _named(environ)
        or next((p for p in (Path("patchgap.toml"), home / "patchgap.toml") if p.is_file()), None)
    )
    stated = {"home": named, "database_url": environ.get("PATCHGAP_DATABASE_URL")}
    document = (_read(path) if path else {}) | {k: v for k, v in stated.items() if v} | dict(overrides or {})
    document.setdefault("home", home)
    if isinstance(document["home"], (str, Path)):
        document.setdefault("database_url", f"sqlite:///{Path(document['home']) / 'patchgap.db'}")
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(p) for p in first["loc"]) or "the file"
        raise BadInputError(
            path or "settings",
            f"{where}: {first['msg'].removeprefix('Value error, ')}",
            "Correct that field; `docs/settings.md` lists them all.",
        ) from None  # what it was made of may hold a secret


def _data_folder() -> Path:
    from platformdirs import user_data_path  # imported late: seldom needed

    return user_data_path("patchgap")


def _named(environ: Mapping[str, str]) -> Path | None:
    return Path(environ["PATCHGAP_CONFIG"]) if environ.get("PATCHGAP_CONFIG") else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8"
    except RecursionError:
        problem = "is nested too deeply"
    except ValueError as error:  # TOML's, and an integer without end
        problem = f"cannot be read as TOML: {error}"
    raise BadInputError(path, problem, "Correct the file, or name another with --config or PATCHGAP_CONFIG.")


def secret(reference: str, environ: Mapping[str, str] = os.environ) -> str:
    """The value behind `env:NAME` or `file:/path`. Raises BadInputError naming the reference, never a value."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env" and environ.get(rest):
        return environ[rest]
    if scheme == "file":
        try:
            value = Path(rest).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            value = ""
        if value:
            return value
        raise BadInputError(
            reference, "the secret's file holds no text that can be read", "Create it, readable by patchgap alone."
        )
    if scheme == "env":
        raise BadInputError(reference, "the variable is not set", f"Set {rest}, or name another reference.")
    raise BadInputError(
        "a secret reference", "it is neither env:NAME nor file:/path", "Write a reference, never the value."
    )
