"""What a session shows of what the room gave to new entities."""

from __future__ import annotations

import datetime as dt
import io

import pytest

import recordroom as rr
from recordroom.client.session import Session

SCHEMA = """
[Context]
abstract = true
[Context.attributes]
name = { kind = "text", required = true }
parent = { kind = "reference", target = "Context", reverse = "children" }
film = { kind = "reference", target = "Film", reverse = "contents", required = true, on_delete = "cascade", initial = "coalesce(parent.film, id)" }
made = { kind = "datetime", initial = "now()" }

[Film]
extends = "Context"
[Scene]
extends = "Context"

[Take]
unique = [["scene", "count"]]
[Take.attributes]
scene = { kind = "reference", target = "Scene", reverse = "takes" }
count = { kind = "integer", numbered = "scene", required = true }
label = { kind = "text", initial = "concat(scene.name, '_', count)" }
words = { kind = "text", multi = true, default = ["a"] }
"""


@pytest.fixture
def film(session: Session) -> rr.Entity:
    session.apply_schema(SCHEMA)
    return session.create("Film", {"name": "film"})


def test_given_values_are_there_without_asking(session: Session, film: rr.Entity) -> None:
    scene = session.create("Scene", {"name": "s", "parent": film})
    takes = [session.create("Take", {"scene": scene}) for _ in range(3)]
    assert scene["film"] is None
    assert takes[0]["count"] is None
    session.commit()

    before = session.round_trips
    assert scene["film"] is film
    assert film["film"] is film
    assert [(take["count"], take["label"]) for take in takes] == [(1, "s_1"), (2, "s_2"), (3, "s_3")]
    assert isinstance(scene["made"], dt.datetime)
    assert scene["made"] == film["made"]
    assert takes[0]["words"] == ("a",)
    assert session.round_trips == before


def test_columns_that_are_given_in_part_are_filled(session: Session, film: rr.Entity) -> None:
    scene = session.create("Scene", {"name": "s", "parent": film})
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    rows = session.create_many("Scene", {"name": ["a", "b"], "parent": [film, scene], "made": [moment, None]})
    takes = session.create_many("Take", [{"scene": scene, "count": 7}, {"scene": scene}, {"scene": rows[0]}])
    session.commit()

    before = session.round_trips
    assert [each["film"] for each in rows] == [film, film]
    assert rows[0]["made"] == moment
    assert rows[1]["made"] == scene["made"] != moment
    assert [take["count"] for take in takes] == [7, 8, 1]
    assert session.round_trips == before


def test_collections_show_what_came_to_them(session: Session, film: rr.Entity) -> None:
    session.commit()
    assert list(film["contents"]) == [film]
    scene = session.create("Scene", {"name": "s", "parent": film})
    session.commit()

    assert list(film["contents"]) == [film, scene]


def test_an_edit_made_to_what_is_given_is_an_update_of_the_next_commit(
    session: Session, other: Session, film: rr.Entity
) -> None:
    scene = session.create("Scene", {"name": "s", "parent": film, "made": None})
    session.commit()
    assert scene["made"] is not None
    scene["made"] = None
    session.commit()

    assert scene["made"] is None
    assert other.query("Scene").one()["made"] is None


def test_another_session_sees_the_same(session: Session, other: Session, film: rr.Entity) -> None:
    scene = session.create("Scene", {"name": "s", "parent": film})
    session.create("Take", {"scene": scene})
    session.commit()

    assert other.query("select label, scene.film.name from Take").one()["label"] == "s_1"
    assert [change.after for change in other.history(other.query("Take").one(), "count")] == [1]


def test_rows_without_a_value_for_what_is_given_are_imported(session: Session, film: rr.Entity) -> None:
    scene = session.create("Scene", {"name": "s", "parent": film})
    session.commit()
    lines = f"scene,label\n{scene['id']},\n{scene['id']},mine\n"
    session.import_rows("Take", io.BytesIO(lines.encode()), format="csv")

    takes = session.query("Take order by count").all()
    assert [(take["count"], take["label"]) for take in takes] == [(1, "s_1"), (2, "mine")]
