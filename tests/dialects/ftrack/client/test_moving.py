"""Contexts that are put elsewhere, with both clients: what hangs on them goes along, and nothing comes below itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ftrack_api.exception
import pytest

import recordroom.dialects.ftrack.client as dropin

Connect = Callable[..., Any]
REFUSED = (ftrack_api.exception.ServerError, dropin.exception.ServerError)


@pytest.fixture
def connect(either: Connect) -> Connect:
    """Makes sessions of either client."""
    return either


@pytest.fixture
def other(session: Any, unique: Callable[[str], str]) -> Any:
    """Another project."""
    made = session.create("Project", {"name": unique("other"), "full_name": "Other"})
    session.commit()
    return made


@pytest.fixture
def task(session: Any, shots: list[Any]) -> Any:
    """A task of the first shot, which has a version of the shot's asset, with a note and hours."""
    made = session.create("Task", {"name": "light", "parent": shots[0]})
    asset = session.create("Asset", {"name": "beauty", "parent": shots[0], "type": session.query("AssetType").first()})
    session.create("AssetVersion", {"asset": asset, "task": made})
    made.create_note("words", author=session.query("User").first())
    session.create("Timelog", {"context_id": made["id"], "duration": 60, "user": session.query("User").first()})
    session.commit()
    return made


def count(session: Any, project: Any) -> list[int]:
    """How many of everything are of a project."""
    return [
        len(session.query(f"{kind} where {'parent.' if kind == 'Asset' else ''}project_id is {project['id']}").all())
        for kind in ("TypedContext", "Asset", "AssetVersion", "Note")
    ]


@pytest.mark.parametrize("by", ["parent", "parent_id"])
def test_everything_that_hangs_on_a_context_goes_into_another_project(
    connect: Connect, shots: list[Any], task: Any, other: Any, by: str
) -> None:
    project = shots[0]["project"]
    assert (count(connect(), project), count(connect(), other)) == ([7, 1, 1, 1], [0, 0, 0, 0])
    session = connect()
    sequence = session.get("Sequence", shots[0]["parent"]["id"])

    sequence[by] = session.get("Project", other["id"]) if by == "parent" else other["id"]
    session.commit()

    assert (count(connect(), project), count(connect(), other)) == ([0, 0, 0, 0], [7, 1, 1, 1])
    seen = connect().get("Task", task["id"])
    assert (seen["project"]["id"], seen["project_id"]) == (other["id"], other["id"])
    assert [each["name"] for each in seen["link"]] == [other["name"], "sq010", "sh10", "light"]


def test_nothing_comes_below_itself(connect: Connect, shots: list[Any], task: Any) -> None:
    session = connect()
    shot = session.get("Shot", shots[0]["id"])

    for below in (session.get("Task", task["id"]), shot):
        shot["parent"] = below
        with pytest.raises(REFUSED, match="circle"):
            session.commit()
        session.rollback()
    assert connect().get("Shot", shots[0]["id"])["parent"]["name"] == "sq010"


def test_what_is_nowhere_is_told_what_it_lacks(connect: Connect) -> None:
    session = connect()
    session.create("Shot", {"name": "lost"})

    with pytest.raises(REFUSED, match=r"Shot\.(parent|project)"):
        session.commit()
    session.rollback()
