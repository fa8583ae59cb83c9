"""What every command is handed: the global options, and the settings that they and the environment make.

Imports nothing heavy: a command that only needs the database's address must not pay for the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:  # imported where they are used: pydantic and SQLAlchemy are slow to import
    from patchgap.graph.reading import Run
    from patchgap.graph.store import Graph
    from patchgap.ports import Clock
    from patchgap.settings import KubernetesSettings, Settings


T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Cli:
    """The click context's object (`@click.pass_obj`). `clock` is the process's only source of time."""

    home: Path | None = None
    config: Path | None = None
    database: str | None = None
    kubeconfig: Path | None = None
    context: str | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    clock: Clock = _now

    def settings(self) -> Settings:
        """Flags, then variables, then the file. Raises BadInputError naming the file and the field."""
        from patchgap.settings import AwsSettings, load

        overrides: dict[str, Any] = {}
        if self.home:
            overrides["home"] = self.home
        if self.database:
            overrides["database_url"] = self.database
        settings = load(self._environ(), file=self.config, overrides=overrides)
        if self.kubeconfig or self.context:
            kubernetes = self._one_cluster(settings.kubernetes)
            settings = settings.model_copy(update={"kubernetes": kubernetes, "aws": AwsSettings()})
        return settings

    def narrowed(self, kubeconfig: Path | None, context: str | None) -> Cli:
        """The same, for one cluster where either names it; what is not named here may stand before the command."""
        return replace(self, kubeconfig=kubeconfig or self.kubeconfig, context=context or self.context)

    def database_url(self) -> str:
        """`settings().database_url`, without reading the other settings where no file can say otherwise."""
        if self.database:
            return self.database
        if self.has_settings_file():
            return self.settings().database_url
        return self._environ().get("PATCHGAP_DATABASE_URL") or f"sqlite:///{self._home() / 'patchgap.db'}"

    def has_settings_file(self) -> bool:
        """Whether a file is named or found: without one, all settings are flags and variables."""
        files = (Path("patchgap.toml"), self._home() / "patchgap.toml")
        return bool(self.config or self.environ.get("PATCHGAP_CONFIG")) or any(path.is_file() for path in files)

    def graph(self) -> Graph:
        """The exposure graph in this process's database."""
        from patchgap.graph.store import Graph
        from patchgap.storage import connect

        return Graph(connect(self.database_url()))

    def asked(self, ask: Callable[[Run], T]) -> T:
        """The graph's answer, all of it read at one moment: an SQLite file by the standard library alone."""
        from patchgap.graph.reading import open_file

        with open_file(self.database_url()) as read:
            if read is not None:
                return ask(read)
        return self.graph().asked(ask)

    def clusters(self) -> tuple[str, ...]:
        """The clusters and accounts that are configured, which a file does and nothing else: without one, the settings (pydantic,
        0.2 s) are not even imported."""
        if not self.has_settings_file():
            return ()
        return self.settings().clusters

    def _home(self) -> Path:
        return Path(self._environ().get("PATCHGAP_HOME") or _data_folder())

    def _environ(self) -> Mapping[str, str]:
        return {**self.environ, "PATCHGAP_HOME": str(self.home)} if self.home else self.environ

    def _one_cluster(self, configured: KubernetesSettings) -> KubernetesSettings:
        """The cluster that the flags name; what is configured for that context (environment, region) still holds. One that is
        not configured bears the context's name, with dashes for what no name may hold: an EKS context is an ARN."""
        from patchgap.settings import ClusterSettings

        path = self.kubeconfig or Path(self.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or "~/.kube/config")
        path = path.expanduser()
        context = self.context or _current_context(path)
        known = next((c for c in configured.clusters if context in (c.context, c.name)), None)
        known = known or ClusterSettings(name="-".join(context.replace("/", " ").split()))
        cluster = known.model_copy(update={"kubeconfig": path, "context": context})
        return configured.model_copy(update={"clusters": (cluster,)})


def one_cluster(command: F) -> F:
    """`--kubeconfig` and `--context` as a command's own options: `Cli.narrowed` is handed both."""
    context = click.option(
        "--context", metavar="NAME", help="One cluster: this context; its name too, where no configured cluster has it."
    )
    kubeconfig = click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="One cluster: this kubeconfig's; its current context where --context names none.",
    )
    return kubeconfig(context(command))


def _data_folder() -> Path:
    from platformdirs import user_data_path  # imported late: seldom needed

    return user_data_path("patchgap")


def _current_context(path: Path) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from patchgap.errors import BadInputError

    try:
        document = YAML(typ="safe", pure=True).load(path.read_bytes())  # the C reader dies of depth, with the process
    except (OSError, YAMLError, ValueError, RecursionError) as error:
        raise BadInputError(path, "the kubeconfig cannot be read", "Name another with --kubeconfig.") from error
    current = document.get("current-context") if isinstance(document, dict) else None
    if not isinstance(current, str) or not current:
        raise BadInputError(path, "it names no current-context", "Name the context with --context.")
    return current
