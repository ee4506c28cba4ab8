"""Typed stubs: checked by mypy, on one good use and on wrong ones, and imported for real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recordroom.client.stubs import write_stubs
from recordroom.model.schema_file import load_text

SCHEMA = """
[Project.attributes]
name = { kind = "text", required = true }
metadata = { kind = "mapping" }

[User.attributes]
name = "text"

[Item.attributes]
name = "text"
status = { kind = "choice", choices = ["waiting", "done"] }

[Task]
extends = "Item"

[Task.attributes]
bid = "number"
due = "date"
aliases = { kind = "text", multi = true }
items = "integer"
class = "text"
project = { kind = "reference", target = "Project", reverse = "tasks" }
assignees = { kind = "links", target = "User", reverse = "tasks" }
"""

GOOD = """
import datetime
from studio_types import Task, User, connect

session = connect("studio.room")
task = session.create("Task", {"name": "anim", "bid": 3.0})
name: str | None = task["name"]
due: datetime.date | None = task["due"]
project = task["project"]
if project is not None:
    for sibling in project["tasks"]:
        bid: float | None = sibling["bid"]
for user in task["assignees"]:
    user["name"] = "Ada"
task["status"] = "done"
task["aliases"] = ["a", "b"]
number: int = task["number"]
Typed = session.types["Task"]
found = session.query(Typed).where((Typed.project.name == "Bunny") & (Typed.bid > 5)).order_by(Typed.due.desc()).first()
if found is not None:
    task = found
maybe: User | None = session.get("User", task["id"])
"""

WRONG = {
    'task["nmae"]': "call-overload",
    'task["bid"] = "much"': "call-overload",
    'task["status"] = "finished"': "call-overload",
    'Task.project.nmae == "x"': "",
    'session.create("Tusk")': "call-overload",
    'session.create("Task", {"nmae": "x"})': "typeddict",
    'text: int = task["name"]': "assignment",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("stubs")
    (found / "studio_types.py").write_text(write_stubs(load_text(SCHEMA).schema))
    return found


def mypy(folder: Path, *names: str) -> str:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def test_the_module_and_a_right_use_of_it_pass_the_type_checker(folder: Path) -> None:
    (folder / "good.py").write_text(GOOD)

    assert mypy(folder, "studio_types.py", "good.py") == ""


def test_each_wrong_use_is_found(folder: Path) -> None:
    head = 'from studio_types import Task, connect\nsession = connect("x")\ntask = session.create("Task")\n'
    (folder / "wrong.py").write_text(head + "\n".join(WRONG) + "\n")

    found = mypy(folder, "wrong.py")

    for line, (text, code) in enumerate(WRONG.items(), start=4):
        assert any(each.startswith(f"wrong.py:{line}:") and code in each for each in found.splitlines()), (text, found)


def test_the_module_works_at_run_time(folder: Path) -> None:
    script = 'import studio_types, recordroom; session = studio_types.connect("a.room"); print(isinstance(session, studio_types.Session))'

    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("True\n", "")
