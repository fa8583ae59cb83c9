"""The `patchgap` command: global options, and command groups found by the entry-point group `patchgap.commands`.

A group is imported when it is called and not before: commands that start flows live in flows/, and a question to the
graph must not wait for Prefect, nor for a look through all that is installed. Every error of ours ends on stderr with its exit code.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
from functools import cached_property, reduce
from pathlib import Path

import click

from patchgap.cli.context import Cli
from patchgap.cli.output import fitted, safe
from patchgap.errors import PatchgapError, RefusedError

CRASHED = 70  # EX_SOFTWARE
QUESTIONS = {  # these entry points are known: finding one takes longer than most answers do
    "blast-radius": "patchgap.cli.blast_radius:blast_radius",
    "exposure": "patchgap.cli.exposure:exposure",
    "graph": "patchgap.cli.graph_questions:graph",
    "runs": "patchgap.cli.runs:runs",
}

EPILOG = """\b
Exit codes: 0 done, 1 refused, or contained in part (or exposed, with
--exit-code), 2 bad input, 3 cannot tell (with --exit-code), 70 a defect of
patchgap itself.

\b
Completion: eval "$(_PATCHGAP_COMPLETE=bash_source patchgap)"
(zsh_source and fish_source for the other shells).
"""


class Commands(click.Group):
    """The groups behind the entry points, each imported when it is called."""

    @cached_property
    def _points(self) -> dict[str, str]:
        """Where each command is, as `module:attribute`."""
        from importlib.metadata import entry_points  # imported late: with it come email, socket and more

        return {point.name: point.value for point in entry_points(group="patchgap.commands")} | QUESTIONS

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        return sorted(self._points)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        point = QUESTIONS.get(cmd_name) or self._points.get(cmd_name)
        return _load(cmd_name, point) if point else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(point)) for name, point in sorted(self._points.items())])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except PatchgapError as error:
            click.echo(_told(error), err=True)
            ctx.exit(error.exit_code)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # click ends quietly where the reader went away
            _crash(error)
            ctx.exit(CRASHED)


def _told(error: PatchgapError) -> str:
    """The error in a line; of a refusal for several reasons one a line, and then what to do."""
    if not isinstance(error, RefusedError) or not error.reasons:
        return fitted(f"patchgap: {error}", sys.stderr, "  ")
    told = (
        f"patchgap: {error.headline}:",
        *(f"  - {safe(reason)}" for reason in error.reasons),
        f"  {safe(error.fix)}",
    )
    return "\n".join(fitted(line, sys.stderr, "    ") for line in told)


def _load(name: str, point: str) -> click.Command:
    module, _, attributes = point.partition(":")
    try:
        command = reduce(getattr, attributes.split("."), importlib.import_module(module))
    except (ImportError, AttributeError) as error:
        raise PatchgapError(
            f"the command {name} cannot be loaded from {point}: {error}",
            "Install patchgap again, or the package that brought the command.",
        ) from error
    if not isinstance(command, click.Command):
        raise PatchgapError(
            f"the command {name} at {point} is no click command",
            "Correct that package's entry point.",
        )
    return command


def _summary(point: str) -> str:
    """The first line of the command's docstring, read from its source: a help text imports no command."""
    import ast  # imported late, as traceback below: a normal command needs neither

    module, _, name = point.partition(":")
    try:
        spec = importlib.util.find_spec(module)
        source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    except (ImportError, OSError):
        source = ""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return "(cannot be loaded)" if not source else ""


def _crash(error: Exception) -> None:
    if os.environ.get("PATCHGAP_DEBUG") == "1":
        import traceback

        traceback.print_exception(error, file=sys.stderr)
        return
    click.echo(
        f"patchgap: a defect: {type(error).__name__}. Set PATCHGAP_DEBUG=1 to see where, and report it.",
        err=True,
    )


@click.group(cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path), help="The data folder (PATCHGAP_HOME).")
@click.option("--config", type=click.Path(path_type=Path), help="The settings file (PATCHGAP_CONFIG).")
@click.option("--database", metavar="URL", help="The database (PATCHGAP_DATABASE_URL).")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Use one cluster: this kubeconfig's.")
@click.option("--context", metavar="NAME", help="Use one cluster: this context of the kubeconfig.")
@click.version_option(package_name="patchgap")
@click.pass_context
def main(
    ctx: click.Context,
    home: Path | None,
    config: Path | None,
    database: str | None,
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    """The incident engine that closes a supply-chain incident on runtime proof alone."""
    ctx.obj = Cli(home=home, config=config, database=database, kubeconfig=kubeconfig, context=context)
