"""A local OSV mirror: a folder of records (JSON or YAML), the zips that OSV publishes (`all.zip`), or one of those zips.

    mirror = Mirror(Path("/var/lib/osv"))
    done = mirror.refresh()                     # reads what is new or changed since the last time, and nothing else
    done.put, done.gone, done.bad               # which records changed; which could not be read, and why
    hits = judge_all(mirror.index, rows)

`changes` is the same over stamps that the caller keeps, for a store that outlives the process. A bad record is reported, each
time anew; the others are taken, and what was known of it before is kept.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from patchgap.errors import BadInputError
from patchgap.graph.advisory import MAX_BYTES, parse_advisory
from patchgap.graph.documents import content_digest, read_bytes
from patchgap.graph.index import Index
from patchgap.model.signal import Advisory
from patchgap.model.unknown import Unknown

_RECORDS = (".json", ".yaml", ".yml")
_FIX = "Fetch the mirror again."


@dataclass(frozen=True, slots=True)
class Stamp:
    """How a record's file was when it was read. In a zip `digest` is its checksum there, and `mtime_ns` is 0."""

    size: int
    mtime_ns: int
    digest: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a record's file: `advisory` where it is new or changed, `stamp` None where it is gone, and a
    stamp alone where only its time is another."""

    source: str
    stamp: Stamp | None
    advisory: Advisory | None = None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did. `put` are new or changed records, `gone` those whose file is; `bad` are told each time."""

    put: tuple[Advisory, ...]
    gone: tuple[Advisory, ...]
    unchanged: int
    bad: tuple[Unknown, ...]


@dataclass(slots=True)
class Mirror:
    """A mirror and what was read of it."""

    path: Path
    index: Index = field(default_factory=Index)
    stamps: dict[str, Stamp] = field(default_factory=dict)

    def refresh(self) -> Refreshed:
        """Brings the index up to date. Raises BadInputError where the mirror itself cannot be read."""
        put: list[Advisory] = []
        gone: list[Advisory] = []
        for change in changes(self.path, self.stamps):
            if change.stamp is None:
                del self.stamps[change.source]
                former = self.index.drop(change.source)
                gone += [former] if former else []
                continue
            self.stamps[change.source] = change.stamp
            if change.advisory:
                self.index.put(change.source, change.advisory)
                put.append(change.advisory)
        bad = tuple(Unknown(source, one.problem) for source, one in self.stamps.items() if one.problem)
        return Refreshed(tuple(put), tuple(gone), len(self.stamps) - len(put) - len(bad), bad)


def changes(path: Path, seen: Mapping[str, Stamp]) -> Iterator[Change]:
    """What differs from `seen` (by source), one record at a time; nothing where nothing does. Raises BadInputError where
    there is no mirror."""
    left = dict(seen)
    for found in _files(path):
        if found.suffix.lower() == ".zip":
            yield from _of_zip(path, found, left)
        else:
            yield from _of_file(path, found, left)
    yield from (Change(source, None) for source in left)


def _files(path: Path) -> Iterator[Path]:
    """A zip is one file; of a folder every record and zip below it, in order."""
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise BadInputError(path, "there is no mirror", "Name a folder of OSV records, or the all.zip of an ecosystem.")
    empty = True
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith((*_RECORDS, ".zip")):
                empty = False
                yield Path(folder, name)
    if empty:
        raise BadInputError(path, "it holds no OSV record", "Name a folder of JSON or YAML files, or of zips.")


def as_text(name: str) -> str:
    """A file's name that is no UTF-8 as text all the same."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _named(root: Path, file: Path) -> str:
    """What a file goes by."""
    return as_text(file.relative_to(root).as_posix() if file != root else file.name)


def _of_file(root: Path, file: Path, left: dict[str, Stamp]) -> Iterator[Change]:
    source = _named(root, file)
    former = left.pop(source, None)
    try:
        status = file.stat()
    except OSError as error:
        yield Change(source, Stamp(-1, -1, "", f"it cannot be read: {error.strerror or error}"))
        return
    if former and (former.size, former.mtime_ns) == (status.st_size, status.st_mtime_ns):
        return
    stamp = Stamp(status.st_size, status.st_mtime_ns, "")
    try:
        content = read_bytes(file, MAX_BYTES)
    except BadInputError as error:
        yield Change(source, replace(stamp, problem=_told(error)))
        return
    stamp = replace(stamp, digest=content_digest(content))
    if former and former.digest == stamp.digest:
        yield Change(source, replace(stamp, problem=former.problem))
        return
    yield _read(source, stamp, content)


def _of_zip(root: Path, file: Path, left: dict[str, Stamp]) -> Iterator[Change]:
    under = _named(root, file)
    try:
        archive = zipfile.ZipFile(file)
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        if file == root:
            raise BadInputError(file, f"it is no zip that can be read: {error}", _FIX) from error
        for source in [one for one in left if one.startswith(f"{under}!")]:  # what was known of it stands
            del left[source]
        left.pop(under, None)
        yield Change(under, Stamp(-1, -1, "", f"it is no zip that can be read: {error}"))
        return
    if left.pop(under, None):  # it could not be read the last time
        yield Change(under, None)
    with archive:
        for info in archive.infolist():
            if info.filename.lower().endswith(_RECORDS):
                yield from _of_member(archive, info, f"{under}!{info.filename}", left)


def _of_member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: str, left: dict[str, Stamp]
) -> Iterator[Change]:
    former = left.pop(source, None)
    stamp = Stamp(info.file_size, 0, f"crc32:{info.CRC:08x}")
    if former and (former.size, former.digest) == (stamp.size, stamp.digest):
        return
    try:
        with archive.open(info) as member:
            content = _bounded(member)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        yield Change(source, replace(stamp, problem=f"it cannot be read: {error}. {_FIX}"))
        return
    yield _read(source, stamp, content)


def _bounded(member: IO[bytes]) -> bytes:
    """One byte more than a record may have, so that the reader refuses it: a zip's own sizes may lie."""
    return member.read(MAX_BYTES + 1)


def _read(source: str, stamp: Stamp, content: bytes) -> Change:
    try:
        return Change(source, stamp, parse_advisory(content, source))
    except BadInputError as error:
        return Change(source, replace(stamp, problem=_told(error)))


def _told(error: BadInputError) -> str:
    """Without the name, which stands beside it."""
    return str(error).removeprefix(f"{error.where}: ")
