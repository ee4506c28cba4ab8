"""What every pytest run of the project shares: the length of the long runs, and the examples in the documents."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

SHORT = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--proof",
        choices=["full", "short"],
        default="full",
        help="how long the runs marked `proof` are (default: full)",
    )


def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: tests wait for the disk, for other processes and for each other."""
    return len(os.sched_getaffinity(0)) * 3 // 2 or 1


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> Callable[[int], int]:
    """How many rounds a long run does: `rounds(200)` is 200, or a tenth of it under `--proof=short`."""
    short = pytestconfig.getoption("proof") == "short"
    return lambda full: max(1, full // SHORT) if short else full


def enter_folder(namespace: dict[str, Any]) -> None:
    """Each document runs in an empty folder of its own, top to bottom."""
    namespace["_folder"] = folder = tempfile.TemporaryDirectory(prefix="recordroom-docs-")
    namespace["_before"] = Path.cwd()
    os.chdir(folder.name)


def leave_folder(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/**/*.md", "docs/*.md"],
    setup=enter_folder,
    teardown=leave_folder,
).pytest()
