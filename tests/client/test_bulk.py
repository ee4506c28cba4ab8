"""create_many: columns in, columns out, objects only where somebody looks."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from recordroom.client.session import Session
from recordroom.errors import ImmutableAttribute, InvalidReference, InvalidValue, NotUnique, UnknownAttribute
from recordroom.model.ids import new_ids, show_id

COLUMNS: dict[str, list[Any]] = {
    "name": ["a", "b", "c"],
    "bid": [1, None, 3],
    "hours": [1.5, 2.0, None],
    "due": [dt.datetime(2026, 1, d, tzinfo=dt.UTC) for d in (1, 2, 3)],
}


def read(session: Session) -> dict[str, list[Any]]:
    tasks = session.query("Task order by name").all()
    return {name: [task[name] for task in tasks] for name in COLUMNS}


@pytest.mark.parametrize(
    "form",
    [
        COLUMNS,
        {name: tuple(column) for name, column in COLUMNS.items()},
        [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)],
        pa.table(COLUMNS),
        pl.DataFrame(COLUMNS),
        pd.DataFrame({**COLUMNS, "bid": pd.array(COLUMNS["bid"], dtype="Int64")}),
    ],
    ids=["lists", "tuples", "rows", "arrow", "polars", "pandas"],
)
def test_columns_may_come_in_any_form(session: Session, other: Session, form: Any) -> None:
    made = session.create_many("Task", form)
    assert len(made) == 3
    session.commit()

    assert read(other) == COLUMNS
    assert [task["name"] for task in made] == ["a", "b", "c"]
    assert made[1]["status"] == "open"
    assert made[2]["number"] == 3


def test_no_object_is_made_before_it_is_touched(session: Session) -> None:
    made = session.create_many("Task", COLUMNS)
    session.commit()
    assert len(session._identity) == 0
    last = made[-1]

    assert len(session._identity) == 1
    assert made[2] is last
    assert session.get("Task", last["id"]) is last
    assert made[:2] == session.query("Task order by name").all()[:2]


def test_rows_without_objects_are_found_before_and_after_the_commit(session: Session) -> None:
    made = session.create_many("Task", COLUMNS)
    each = show_id(made._page.ids[1])
    before = session.round_trips

    assert session.get("Task", each) is made[1]
    session.commit()
    assert session.get("Task", show_id(made._page.ids[2])) is made[2]
    assert session.round_trips == before + 1
    assert [task["number"] for task in made] == [1, 2, 3]
    assert session.round_trips == before + 1


def test_the_given_columns_are_not_touched(session: Session) -> None:
    given = {"name": ["a", "b"], "bid": [1, 2]}
    made = session.create_many("Task", given)
    session.commit()
    made[0]["bid"] = 9
    session.commit()

    assert given == {"name": ["a", "b"], "bid": [1, 2]}


def test_edits_and_deletes_of_new_rows_are_part_of_their_create(session: Session, other: Session) -> None:
    made = session.create_many("Task", COLUMNS)
    made[0]["bid"] = 10
    made[0]["note"] = "edited"
    session.delete(made[1])
    assert session.state(made[0]) == "created"
    assert [each["name"] for each in session.created] == ["a", "c"]
    session.commit()

    assert [(t["name"], t["bid"], t["note"]) for t in other.query("Task order by name")] == [
        ("a", 10, "edited"),
        ("c", 3, None),
    ]
    assert (made[0]["bid"], made[0]["number"], made[2]["number"]) == (10, 1, 2)
    assert session.state(made[1]) == "deleted"


def test_missing_values_of_rows_get_the_default_and_none_stays_none(session: Session) -> None:
    made = session.create_many("Task", [{"name": "a"}, {"name": "b", "status": "done"}, {"name": "c", "status": None}])
    session.commit()

    assert [task["status"] for task in made] == ["open", "done", None]


@pytest.mark.parametrize(
    ("columns", "row", "attribute"),
    [
        ({"name": ["a", "b"], "bid": [1, "x"]}, 1, "bid"),
        ({"name": ["a", 3]}, 1, "name"),
        ({"name": ["a", "b\0"]}, 1, "name"),
        ({"name": ["a"], "due": [dt.datetime(2026, 1, 1)]}, 0, "due"),
        ({"name": ["a", "b"], "status": ["open", "x"]}, 1, "status"),
        ({"name": ["a"], "id": ["x"]}, 0, "id"),
    ],
)
def test_a_wrong_value_is_named_with_its_row(
    session: Session, columns: dict[str, list[Any]], row: int, attribute: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        session.create_many("Task", columns)
    assert (caught.value.row, caught.value.attribute) == (row, attribute)
    assert not session.created


def test_wrong_columns_are_refused(session: Session) -> None:
    with pytest.raises(UnknownAttribute):
        session.create_many("Task", {"nmae": ["a"]})
    with pytest.raises(ImmutableAttribute):
        session.create_many("Task", {"number": [1]})
    with pytest.raises(InvalidValue, match="lengths"):
        session.create_many("Task", {"name": ["a"], "bid": [1, 2]})
    with pytest.raises(InvalidValue):
        session.create_many("Task", "abc")
    with pytest.raises(InvalidValue):
        session.create_many("Task", ["abc"])
    with pytest.raises(InvalidReference) as caught:
        session.create_many("Task", {"name": ["a", "b"], "project": [None, session.create("User", {"name": "x"})]})
    assert caught.value.row == 1
    assert len(session.created) == 1


def test_nothing_may_be_created_too(session: Session) -> None:
    assert list(session.create_many("Task", {"name": []})) == []
    assert list(session.create_many("Task", [])) == []
    assert not session.commit()


def test_values_take_their_normal_form(session: Session) -> None:
    made = session.create_many("Task", {"name": ["a"], "hours": [2], "cost": ["1.50"], "color": ["#AABBCC"]})

    assert isinstance(made[0]["hours"], float)
    assert str(made[0]["cost"]) == "1.5"
    assert made[0]["color"] == "#aabbcc"


def test_references_may_be_entities_or_ids(session: Session, other: Session) -> None:
    project = session.create("Project", {"name": "P"})
    assert list(project["tasks"]) == []
    made = session.create_many("Task", {"name": ["a", "b", "c"], "project": [project, project["id"], None]})

    assert list(project["tasks"]) == [made[0], made[1]]
    assert made[0]["project"] is project
    made[1]["project"], made[2]["project"] = None, project
    assert list(project["tasks"]) == [made[2], made[0]]
    session.commit()
    assert project["tasks"] == [made[0], made[2]]
    assert [t["name"] for t in other.query("Project").one()["tasks"]] == ["a", "c"]


def test_collections_of_rows_are_assigned(session: Session, other: Session) -> None:
    ann = session.create("User", {"name": "ann"})
    session.create_many("Task", {"name": ["a", "b"], "assignees": [[ann], None], "metadata": [None, {"k": "v"}]})
    session.commit()

    first, second = other.query("Task order by name")
    assert [user["name"] for user in first["assignees"]] == ["ann"]
    assert dict(second["metadata"]) == {"k": "v"}


def test_ids_may_be_given_in_any_order_and_once(session: Session) -> None:
    ids = [show_id(each) for each in reversed(new_ids(3))]
    made = session.create_many("Task", {"id": ids, "name": ["a", "b", "c"]})

    assert [task["id"] for task in made] == ids
    assert session.get("Task", ids[1]) is made[1]
    with pytest.raises(NotUnique):
        session.create_many("Task", {"id": [ids[0]], "name": ["x"]})
    with pytest.raises(NotUnique):
        session.create_many("Task", {"id": [show_id(new_ids(1)[0])] * 2, "name": ["x", "y"]})
    session.commit()
    assert [task["name"] for task in session.query("Task order by name")] == ["a", "b", "c"]


def test_rows_without_objects_become_those_of_a_query(session: Session) -> None:
    made = session.create_many("Task", COLUMNS)
    session.commit()
    found = session.query("Task order by name").all()

    assert list(made) == found
    assert made[0] is found[0]
    found[0]["bid"] = 5
    session.commit()
    assert made[0]["bid"] == 5


def test_touching_rows_one_by_one_loads_for_all_of_them(session: Session) -> None:
    made = session.create_many("Task", {"name": [f"t{i}" for i in range(50)]})
    session.commit()
    before = session.round_trips

    assert len({task["created_at"] for task in made}) == 1
    assert session.round_trips == before + 1
