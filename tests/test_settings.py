"""Settings: which of flags, variables and file wins, and one clear error for what does not fit, never with a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from patchgap.cli.context import Cli
from patchgap.errors import BadInputError
from patchgap.settings import load, secret

VALUE = "hunter2-the-value"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No patchgap.toml of the working directory takes part."""
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "settings.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    """For each field in turn, the nearer word holds."""
    file = written(tmp_path, 'home = "/file"\ndatabase_url = "sqlite:////file.db"\n')
    variables = {"PATCHGAP_HOME": "/variable", "PATCHGAP_DATABASE_URL": "sqlite:////variable.db"}
    flags = {"home": Path("/flag"), "database_url": "sqlite:////flag.db"}
    assert str(load({}, file=file).home) == "/file"
    assert load({}, file=file).database_url == "sqlite:////file.db"
    assert str(load(variables, file=file).home) == "/variable"
    assert load(variables, file=file).database_url == "sqlite:////variable.db"
    assert load(variables, file=file, overrides=flags).home == Path("/flag")
    assert load(variables, file=file, overrides=flags).database_url == "sqlite:////flag.db"


def test_the_database_follows_the_home_that_holds(tmp_path: Path) -> None:
    """Where no URL is given the database lies in the home, whoever named that."""
    file = written(tmp_path, 'home = "/file"\n')
    assert load({}, file=file).database_url == "sqlite:////file/patchgap.db"
    assert load({"PATCHGAP_HOME": "/variable"}, file=file).database_url == "sqlite:////variable/patchgap.db"
    assert load({}, file=file, overrides={"home": Path("/flag")}).database_url == "sqlite:////flag/patchgap.db"


def test_the_file_is_found_in_the_home_and_nearer_in_the_working_directory(tmp_path: Path) -> None:
    """A named file, then patchgap.toml here, then the one in the home."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "patchgap.toml").write_text("times_scale = 0.1")
    assert load({"PATCHGAP_HOME": str(home)}).times_scale == 0.1
    (tmp_path / "patchgap.toml").write_text("times_scale = 0.2")
    assert load({"PATCHGAP_HOME": str(home)}).times_scale == 0.2
    named = written(tmp_path, "times_scale = 0.3")
    assert load({"PATCHGAP_HOME": str(home), "PATCHGAP_CONFIG": str(named)}).times_scale == 0.3


BAD: list[tuple[str | bytes, str]] = [
    ("unknown = 1", "unknown: Extra inputs"),
    ("[webhook]\nprot = 1", r"webhook\.prot: Extra inputs"),
    ("home = 5", "home: "),
    ("database_url = 5", "database_url: "),
    ('kubernetes = "x"', "kubernetes: "),
    ("[webhook]\nport = 99999", r"webhook\.port: .* 65535"),
    ("[webhook]\nport = -1", r"webhook\.port: .* 0"),
    ('[webhook]\nport = "x"', r"webhook\.port: "),
    ("[kubernetes]\ntimeout_seconds = inf", r"kubernetes\.timeout_seconds: .*finite"),
    ("[kubernetes]\ntimeout_seconds = nan", r"kubernetes\.timeout_seconds: "),
    ("[kubernetes]\ntimeout_seconds = 0", r"kubernetes\.timeout_seconds: "),
    ("times_scale = 2", "times_scale: "),
    ("[[kubernetes.clusters]]\nregion = 'x'", r"kubernetes\.clusters\.0\.name: Field required"),
    ("[[kubernetes.clusters]]\nname = ''", r"kubernetes\.clusters\.0\.name: "),
    (
        "[[kubernetes.clusters]]\nname = 'a'\n[[kubernetes.clusters]]\nname = 'a'",
        r"kubernetes\.clusters: the name 'a' stands twice",
    ),
    ('[[sinks]]\nname = "x"', r"sinks\.0\.kind: Field required"),
    ('[[sinks]]\nname = "x"\nkind = "jira"\nurl = "jira.example.org"', r"sinks\.0\.url: it is no address"),
    ('[[sinks]]\nname = "x"\nkind = "jira"\nverbs = ["close"]', r"sinks\.0\.verbs\.0: "),
    ('[[sinks]]\nname = "x"\nkind = "file"\n[[sinks]]\nname = "x"\nkind = "file"', "sinks: the name 'x' stands twice"),
    ('[prometheus]\nurl = "file:///etc/passwd"', r"prometheus\.url: it is no address"),
    ("[protect]\nnamespaces = 'payments'", r"protect\.namespaces: "),
    ("a = 1\na = 2", "cannot be read as TOML: Cannot overwrite a value"),
    ("a = ", "cannot be read as TOML: "),
    ("a = " + "9" * 5000, "cannot be read as TOML: "),
    ("a = " + "[" * 100_000, "is nested too deeply"),
    ("a = 'x'".encode("utf-16"), "byte 0 is not UTF-8"),
    (b"a = 1\0", "cannot be read as TOML: "),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[str(text)[:30] for text, _ in BAD])
def test_a_bad_file_is_one_error_with_its_name_and_field(tmp_path: Path, text: str | bytes, words: str) -> None:
    """The file, the field and the fix are named."""
    file = written(tmp_path, text)
    with pytest.raises(BadInputError, match=words) as caught:
        load({}, file=file)
    assert str(caught.value).startswith(f"{file}: ")
    assert caught.value.fix.startswith("Correct ")


@pytest.mark.parametrize("place", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, place: str) -> None:
    """A named file that is not there is an error, and so is a folder: defaults would be a surprise."""
    with pytest.raises(BadInputError, match="cannot be read: ") as caught:
        load({}, file=tmp_path / place)
    assert caught.value.where == str(tmp_path / place)


def test_a_byte_order_mark_and_windows_lines_are_taken(tmp_path: Path) -> None:
    """What an editor on another system saves is the same file."""
    assert load({}, file=written(tmp_path, b"\xef\xbb\xbftimes_scale = 0.5\r\n")).times_scale == 0.5


@pytest.mark.parametrize(("section", "field"), [("webhook", "secret"), ("prometheus", "token")], ids="{}".format)
def test_a_secret_by_value_is_refused_and_not_shown(tmp_path: Path, section: str, field: str) -> None:
    """The field is named, a reference is asked for, and the value stands nowhere in the error or its causes."""
    with pytest.raises(BadInputError, match=rf"{section}\.{field}: it is no reference") as caught:
        load({}, file=written(tmp_path, f'[{section}]\n{field} = "{VALUE}"\n'))
    told: BaseException | None = caught.value
    while told is not None:
        assert VALUE not in str(told)
        told = told.__cause__


def test_a_sinks_secret_by_value_is_refused_and_not_shown(tmp_path: Path) -> None:
    """As any other's: its number in the list and its field are named."""
    with pytest.raises(BadInputError, match=r"sinks\.0\.token: it is no reference") as caught:
        load({}, file=written(tmp_path, f'[[sinks]]\nname = "x"\nkind = "slack"\ntoken = "{VALUE}"\n'))
    assert VALUE not in str(caught.value)


@pytest.mark.parametrize("reference", [VALUE, "", "vault:x", "ENV:NAME"])
def test_what_is_no_reference_resolves_to_an_error_without_it(reference: str) -> None:
    """A value is never echoed, and an empty reference is no empty secret."""
    with pytest.raises(BadInputError, match=r"neither env:NAME nor file:/path") as caught:
        secret(reference)
    assert VALUE not in str(caught.value)


def test_a_reference_gives_its_value(tmp_path: Path) -> None:
    """By variable as it is, by file without the line's end."""
    file = tmp_path / "secret"
    file.write_text(f"{VALUE}\n")
    assert secret("env:TOKEN", {"TOKEN": VALUE}) == secret(f"file:{file}") == VALUE


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe"])
def test_a_secret_file_without_text_is_named(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty or binary: an empty secret is never handed on."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInputError, match="holds no text") as caught:
        secret(f"file:{file}")
    assert caught.value.where == f"file:{file}"


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}])
def test_a_variable_that_is_not_set_is_named(environ: dict[str, Any]) -> None:
    """Nothing and an empty text are the same: no secret."""
    with pytest.raises(BadInputError, match=r"env:TOKEN: the variable is not set\. Set TOKEN"):
        secret("env:TOKEN", environ)


def test_a_commands_own_flags_add_to_those_before_it(tmp_path: Path) -> None:
    """A kubeconfig before the command and a context after it name one cluster together; the command's own wins."""
    before = Cli(home=tmp_path, kubeconfig=tmp_path / "before", environ={})
    (cluster,) = before.narrowed(None, "prod").settings().kubernetes.clusters
    assert (cluster.name, cluster.kubeconfig, cluster.context) == ("prod", tmp_path / "before", "prod")
    (cluster,) = before.narrowed(tmp_path / "own", "prod").settings().kubernetes.clusters
    assert cluster.kubeconfig == tmp_path / "own"


@pytest.mark.parametrize("name", ["arn:aws:eks:eu-central-1:1:cluster/prod", "prod eu", ""])
def test_a_cluster_whose_name_would_be_read_as_more_than_a_name_is_refused(tmp_path: Path, name: str) -> None:
    """Protection, limits and rotators are said of cluster/namespace/Kind/name: a name with a slash would shift them."""
    file = written(tmp_path, f'[[kubernetes.clusters]]\nname = "{name}"\n')
    with pytest.raises(BadInputError, match=r"kubernetes\.clusters"):
        load({}, file=file)


def test_a_context_with_a_slash_is_a_cluster_without_one(tmp_path: Path) -> None:
    """As EKS names them; a configured cluster of that context keeps its own name."""
    arn = "arn:aws:eks:eu-central-1:1:cluster/prod"
    (cluster,) = Cli(home=tmp_path, context=arn, environ={}).settings().kubernetes.clusters
    assert (cluster.name, cluster.context) == ("arn:aws:eks:eu-central-1:1:cluster-prod", arn)
    (tmp_path / "patchgap.toml").write_text(f'[[kubernetes.clusters]]\nname = "prod"\ncontext = "{arn}"\n')
    (cluster,) = Cli(home=tmp_path, context=arn, environ={}).settings().kubernetes.clusters
    assert (cluster.name, cluster.context) == ("prod", arn)
