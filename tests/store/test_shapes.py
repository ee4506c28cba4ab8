"""The shapes of tables are worked out again only where a change of the schema concerns them."""

from __future__ import annotations

import pytest

from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, DefineAttribute
from recordroom.model.schema import Attribute
from recordroom.store import ddl
from recordroom.store.room import Room
from tests.store.test_giving import SCHEMA, apply


def test_a_change_of_one_type_leaves_the_shapes_of_others(room_sqlite: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(room_sqlite, SCHEMA)
    made: list[str] = []
    before = ddl._entity_shape
    monkeypatch.setattr(ddl, "_entity_shape", lambda catalog, root: made.append(root) or before(catalog, root))

    names = ("length", "first", "last")
    changes = [DefineAttribute("Shot", Attribute(name=name, kind="integer")) for name in names]
    room_sqlite.commit(Commit(id=new_id(), operations=list(changes)))

    assert {root: made.count(root) for root in made} == {"Context": 4, "Kind": 1, "Asset": 1, "Version": 1}
