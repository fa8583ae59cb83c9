"""Playbooks from text: read, held to the schema and to the verbs that exist; every problem is told at once.

Owns where playbooks are looked for. Touches files only where it is given their path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import patchgap
from patchgap.errors import NotFoundError
from patchgap.playbook import rules
from patchgap.playbook.diagnosis import tell
from patchgap.playbook.language import Playbook, Verify
from patchgap.playbook.problems import PlaybookProblems, Problem, nearest
from patchgap.playbook.quantities import duration, in_words
from patchgap.playbook.source import BYTES, Source, Span, read
from patchgap.playbook.steps import ACTIONS, CHECKS, INVERSES, checked, each
from patchgap.redact import secret_in
from patchgap.registry import Registry
from patchgap.settings import Settings

SUFFIXES = (".yaml", ".yml")


def load(path: Path, registry: Registry) -> Playbook:
    """The playbook in that file, whose name must be the playbook's. Raises PlaybookProblems."""
    return _load(path, registry)[0]


def _load(path: Path, registry: Registry) -> tuple[Playbook, str]:
    text = text_of(path)
    playbook = parse(text, path, registry)
    twin = path.with_suffix(SUFFIXES[0])
    if playbook.playbook != path.stem:
        what = f"the playbook is named {playbook.playbook} and its file {path.name}; give both one name"
        raise _misplaced(text, path, what, path.stem)
    if twin != path and twin.is_file():
        raise _misplaced(text, path, f"the playbook {path.stem} stands in {twin.name} as well; keep one of the two")
    return playbook, text


def _misplaced(text: str, path: Path, what: str, name: str = "") -> PlaybookProblems:
    source = read(text, str(path))
    span = source.span(("playbook",))
    source.refuse(span, what, corrected=source.replaced(span, name) if name else "")
    return PlaybookProblems(source.problems)


def parse(text: str, where: str | Path, registry: Registry) -> Playbook:
    """The playbook in that text; `where` names it in problems. Raises PlaybookProblems with every problem."""
    source = read(text, str(where))
    _must_hold_no_secret(text, source)
    made = _made(source, registry) if source.document is not None else None
    if source.problems or made is None:
        raise PlaybookProblems(source.problems)
    return made


def _must_hold_no_secret(text: str, source: Source) -> None:
    """An incident pins the playbook's text in its ledger, where no secret may stand."""
    for number, line in enumerate(text.splitlines()):
        if shape := secret_in(line):
            what = f"the line holds {shape}; write a reference (`env:NAME` or `file:/path`), never the value"
            source.refuse(Span(number, 0, number, 0), what)


def shipped() -> Path:
    """The folder of the playbooks that come with patchgap: beside the package, in a checkout and when installed."""
    return Path(patchgap.__file__).parent.parent / "playbooks"


def files(settings: Settings) -> Sequence[Path]:
    """Every playbook's file: the configured folders' first, then those whose name none before them takes.
    Raises NotFoundError for a configured folder that does not exist."""
    found: list[Path] = []
    for folder in (*settings.playbooks, shipped()):
        if not folder.is_dir():
            raise NotFoundError(f"the playbooks' folder {folder} does not exist", "Create it or correct `playbooks`.")
        taken = {path.stem for path in found}
        found += [path for path in in_folder(folder) if path.stem not in taken]
    return tuple(found)


def in_folder(folder: Path) -> Sequence[Path]:
    """The playbooks' files of a folder, `.yaml` and `.yml`, by name; case files are none."""
    return [p for p in sorted(folder.iterdir()) if p.suffix in SUFFIXES and not p.stem.endswith(".cases")]


def find(name: str, settings: Settings) -> Path:
    """The file of the playbook of that name. Raises NotFoundError naming those that exist."""
    known = {path.stem: path for path in files(settings)}
    if name not in known:
        near = nearest(name, known)
        hint = f"Did you mean {near}? " if near else ""
        raise NotFoundError(f"there is no playbook {name}", f"{hint}Those that exist: {', '.join(sorted(known))}.")
    return known[name]


def in_use(named: Sequence[str], settings: Settings, registry: Registry) -> tuple[Playbook, ...]:
    """The playbooks that are named, by name or by file. Raises NotFoundError or PlaybookProblems."""
    paths = [Path(one) if one.endswith((".yaml", ".yml")) else find(one, settings) for one in named]
    return tuple(load(path, registry) for path in paths)


def load_all(settings: Settings, registry: Registry) -> tuple[tuple[Playbook, str], ...]:
    """Every playbook, with the text that an incident pins. Raises PlaybookProblems with the problems of all files;
    its `loaded` holds the sound ones."""
    loaded: list[tuple[Playbook, str]] = []
    problems: list[Problem] = []
    for path in files(settings):
        try:
            loaded.append(_load(path, registry))
        except PlaybookProblems as error:
            problems.extend(error.problems)
    if problems:
        raise PlaybookProblems(problems, tuple(loaded))
    return tuple(loaded)


def scaled(playbook: Playbook, scale: float) -> Playbook:
    """The playbook with every waiting time of its `verify` (its checks' own durations included) times `scale`, for a
    drill; how fresh a proof must be, the steps' durations and an approval's stay as they are.
    Callers say so loudly: nothing in the result tells it."""
    if scale == 1:
        return playbook
    tiers = tuple(
        tier.model_copy(update={"verify": _scaled(tier.verify, scale)}) if tier.verify else tier
        for tier in playbook.tiers
    )
    return playbook.model_copy(update={"verify": _scaled(playbook.verify, scale), "tiers": tiers})


def _scaled(verify: Verify, scale: float) -> Verify:
    times = {name: getattr(verify, name) * scale for name in ("every", "within")}
    steps = [
        step.model_copy(
            update={
                "parameters": {
                    name: in_words(duration(value) * scale) if name in step.durations else value
                    for name, value in step.parameters.items()
                }
            }
        )
        for step in verify.all_of
    ]
    return verify.model_copy(update={**times, "all_of": tuple(steps)})


def text_of(path: Path, largest: int = BYTES) -> str:
    """The file's text, a byte more of it than may be. Raises PlaybookProblems where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(largest + 1).decode("utf-8")
    except UnicodeDecodeError:
        what = "the file is not UTF-8 text; save it as UTF-8"
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
    raise PlaybookProblems([Problem(str(path), 1, 1, what)])


def _made(source: Source, registry: Registry) -> Playbook | None:
    if not isinstance(source.document, dict):
        source.refuse(source.span(()), "a playbook is `name: value` pairs, the first `playbook: NAME`")
        return None
    document = _with_steps(source, source.document, registry)
    rules.written(source, source.document, registry)
    try:
        made = Playbook.model_validate(document)
    except ValidationError as error:
        tell(source, error, (), Playbook)
        return None
    rules.meant(source, made)
    return made


def _with_steps(source: Source, document: dict[str, Any], registry: Registry) -> dict[str, Any]:
    """The document with each step as the model takes it. A step that is refused is kept as a bare verb, so that
    the schema's own problems are told besides."""
    made: dict[str, Any] = _copy(document)
    for path, holder, key, kind in _lists(made):
        steps: list[dict[str, Any]] = []
        for _, step in each(source, holder[key], (*path, key)):
            good = checked(source, step, kind, registry) if step else None
            steps.append(good or {"verb": step.verb if step else ""})
        if isinstance(holder[key], list):
            holder[key] = steps
    return made


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    return [_copy(v) for v in value] if isinstance(value, list) else value


def _lists(document: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any], str, str]]:
    """Every list of steps: path and mapping that hold it, its key, and the kind of its verbs."""
    holders: list[tuple[tuple[str | int, ...], Any, str, str]] = [((), document, "recover", INVERSES)]
    holders.append((("verify",), document.get("verify"), "all_of", CHECKS))
    tiers = document.get("tiers")
    for number, tier in enumerate(tiers if isinstance(tiers, list) else ()):
        holders.append((("tiers", number), tier, "contain", ACTIONS))
        if isinstance(tier, dict):
            holders.append((("tiers", number, "verify"), tier.get("verify"), "all_of", CHECKS))
    for path, holder, key, kind in holders:
        if isinstance(holder, dict) and key in holder:
            yield path, holder, key, kind
