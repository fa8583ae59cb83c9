"""What a forked run does, and what is imported before the fork.

Importing this module is the warming: Prefect's engine, the flows and the control planes' clients. It starts no thread
and opens nothing, so that a fork of it is sound.
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import pkgutil
import runpy
import sys
import warnings
from contextlib import ExitStack

from prefect.exceptions import FailedRun

import flows
from flows.runtime.heartbeat import without_heartbeats
from patchgap import registry

_FOR_LIFE = ExitStack()
PRELOADED = (
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.task_runners",
    "prefect.client.orchestration",
    "prefect.events.clients",
    "prefect._internal.metrics",
    "ruamel.yaml",
    "sqlite3",
)


def preload() -> None:
    """Imports everything that a run would import."""
    for name in PRELOADED:
        importlib.import_module(name)
    for found in pkgutil.iter_modules(flows.__path__, "flows."):
        if not found.ispkg:
            importlib.import_module(found.name)
    registry.load()
    _FOR_LIFE.enter_context(without_heartbeats())  # and for the life of every fork
    logging.getLogger("prefect.flow_runs").addFilter(_unsaid)
    gc.freeze()  # a collection in a fork would copy every page that it touches


def _unsaid(record: logging.LogRecord) -> bool:
    """False for the traceback that Prefect logs of a run which ended as Failed in its own words: they stand above it."""
    return not (record.exc_info and record.exc_info[0] is FailedRun)


def run(environ: dict[str, str]) -> None:
    """Runs the flow run that `environ` names, by the engine's own main as a stock worker's child does."""
    os.environ.update(environ)
    sys.argv = ["prefect.engine", environ["PREFECT__FLOW_RUN_ID"]]  # the fork inherited the worker's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # runpy's remark that the module is imported already
        runpy.run_module("prefect.engine", run_name="__main__")


preload()
