"""`import recordroom` stays quick because it loads nothing heavy. The seconds are in the benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "apsw",
    "duckdb",
    "matplotlib",
    "numpy",
    "pandas",
    "polars",
    "psycopg",
    "psycopg_pool",
    "pyarrow",
    "pytest",
    "sqlalchemy",
    "sqlglot",
    "sqlite3",
    "starlette",
    "uvicorn",
}


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after `statement`."""
    code = (
        f"import json, sys\n{statement}\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("statement", ["import recordroom", "from recordroom import *"])
def test_importing_recordroom_loads_no_heavy_library(statement: str) -> None:
    loaded = modules_after(statement)

    assert "recordroom" in loaded
    assert not loaded & HEAVY


def test_the_check_sees_a_heavy_library() -> None:
    assert "sqlalchemy" in modules_after("import recordroom.store.tables") & HEAVY
