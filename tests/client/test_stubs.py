"""Stubs: what they say of a schema is what mypy then knows of a script."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from recordroom.client.stubs import stubs
from recordroom.model.schema import Attribute, EntityType, Schema
from tests.client.conftest import TYPES

GOOD = """
import datetime as dt
from typing import assert_type

from studio_types import Project, Task, connect

with connect("studio.room") as session:
    task = session.create("Task", {"name": "anim", "bid": 3, "due": "2026-01-01T00:00Z"})
    assert_type(task, Task)
    assert_type(task["name"], str)
    assert_type(task["bid"], int | None)
    assert_type(task["due"], dt.datetime | None)
    assert_type(task["tags"], tuple[str, ...] | None)
    assert_type(task["id"], str)
    assert_type(task["number"], int)
    assert_type(task["created_at"], dt.datetime | None)
    project = task["project"]
    assert_type(project, Project | None)
    if project is not None:
        for each in project["tasks"]:
            assert_type(each, Task)
        project["tasks"].add(task)
    for user in task["assignees"]:
        assert_type(user["age"], int | None)
        assert_type(user["name"], str)
    assert_type(task["counts"]["x"], int)
    task["status"] = "done"
    task["cost"] = "1.5"
    task["assignees"] = list(task["assignees"])

    Task_ = session.types["Task"]
    for found in session.query(Task_).where((Task_.project.lead.name == "ann") & (Task_.bid > 5)):
        assert_type(found, Task)
    assert_type(session.query(Task_).one()["name"], str)
    assert_type(session.get("Task", "x"), Task | None)
    assert_type(session.ensure(Task_, {"name": "x"}), Task)
"""

WRONG = {
    'task["nmae"]': "no overload",
    'task["bid"] = "three"': "no overload",
    'task["status"] = "finished"': "no overload",
    'session.create("Task", {"nmae": "x"})': "no overload",
    'session.create("Taks", {"name": "x"})': "no overload",
    'session.create("Resource", {"name": "it is abstract"})': "no overload",
    'text: int = task["name"]': "incompatible types",
    "session.types['Task'].project.nmae": "has no attribute",
    'task["project"]["name"]': "not indexable",
}


HEAD = 'from studio_types import connect\n\nsession = connect()\ntask = session.create("Task")\n'


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy has to say of a good script and of a wrong one beside the stubs."""
    folder = tmp_path_factory.mktemp("stubs")
    files = {"studio_types.py": stubs(Schema(TYPES)), "good.py": GOOD, "wrong.py": HEAD + "\n".join(WRONG)}
    for name, text in files.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *files]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_good_script_is_accepted_and_its_types_are_known(said: str) -> None:
    assert [line for line in said.splitlines() if not line.startswith(("wrong.py", "Found"))] == []


def test_each_wrong_line_of_a_script_is_found(said: str) -> None:
    for place, (line, words) in enumerate(WRONG.items(), start=HEAD.count("\n") + 1):
        found = [each for each in said.splitlines() if each.startswith(f"wrong.py:{place}: error")]
        assert any(words in each.lower() for each in found), (line, said)
    assert f"Found {len(WRONG)} errors" in said


def test_the_module_runs(tmp_path: Path) -> None:
    import recordroom as rr

    file = tmp_path / "studio_types.py"
    file.write_text(stubs(Schema(TYPES)))
    names = runpy.run_path(str(file))

    assert names["connect"] is rr.connect
    assert names["Task"] is rr.Entity


@pytest.mark.parametrize(
    "types",
    [
        (),
        (EntityType(name="Session", attributes=(Attribute(name="items", kind="text"),)),),
        (EntityType(name="class", attributes=(Attribute(name="def", kind="text", description='"quoted"'),)),),
        (EntityType(name="B", extends="A"), EntityType(name="A", description='He said "x"\n"""')),
    ],
    ids=["none", "taken names", "keywords", "child first"],
)
def test_any_schema_gives_a_module(types: tuple[EntityType, ...], tmp_path: Path) -> None:
    text = stubs(Schema(types))
    compile(text, "stubs", "exec")
    file = tmp_path / "stubs.py"
    file.write_text(text)

    assert "connect" in runpy.run_path(str(file))
