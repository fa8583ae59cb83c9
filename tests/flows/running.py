"""`patchgap up` as a person starts it, and what of it still runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from flows.runtime.address import PrefectAddress

ROOT = Path(__file__).parents[2]
PATCHGAP = Path(sys.executable).with_name("patchgap")


def clean_environ(**more: str) -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PATCHGAP_"))}
    return kept | {"PREFECT_PROFILES_PATH": "/nonexistent/profiles.toml"} | more


@dataclass(frozen=True)
class Up:
    """A running `patchgap up` and what it printed."""

    process: subprocess.Popen[str]
    home: Path
    printed: dict[str, str]
    address: PrefectAddress

    def environ(self) -> dict[str, str]:
        """For a process that talks to its server."""
        return clean_environ(PATCHGAP_HOME=str(self.home), **self.address.environ())


def processes_of(home: Path) -> dict[int, str]:
    """The command lines, by process id, of every process that was started for that home and still runs."""
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0] if environ else "Z"
        except (OSError, IndexError):  # it ended while we looked, or it is not ours to see
            continue
        if str(home).encode() in environ and state != "Z" and int(entry.name) != os.getpid():
            found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@contextmanager
def start_up(home: Path, port: int = 0) -> Iterator[subprocess.Popen[str]]:
    """`patchgap up` on free ports, on the settings in that home; killed at the end where a test left it running."""
    if not (home / "patchgap.toml").exists():
        (home / "patchgap.toml").write_text("[webhook]\nport = 0\n")
    process = subprocess.Popen(  # noqa: S603  (our own command)
        [PATCHGAP, "up", "--port", str(port), "--json"],
        env=clean_environ(PATCHGAP_HOME=str(home)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def addresses(process: subprocess.Popen[str]) -> dict[str, str]:
    """The JSON document that `up` prints when everything answers. Fails with what it said where it ended instead."""
    text = ""
    while not text.endswith("}\n"):
        line = process.stdout.readline() if process.stdout else ""
        assert line, f"up ended: {process.communicate()[1]}"
        text += line
    printed: dict[str, str] = json.loads(text)
    return printed


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether that came true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def answers(url: str) -> bool:
    """Whether somebody answers there with 200."""
    try:
        return httpx.get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def run(command: list[object], environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command of ours to its end, with what it printed."""
    words = [str(word) for word in command]
    return subprocess.run(words, env=environ, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
