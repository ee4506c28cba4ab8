"""Custom attributes through the unmodified client: a configuration is an attribute of the schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ftrack_api.exception
import pytest

from recordroom.dialects.ftrack.reading import Reader
from tests.dialects.ftrack.hubs import Stage

Connect = Callable[..., Any]
Define = Callable[..., Any]


def test_values_are_dense_with_defaults_and_can_be_set(define: Define, connect: Connect, shots: list[Any]) -> None:
    define("fstart", "number", default=1001)
    define("remark {}")

    session = connect()
    shot = session.get("Shot", shots[0]["id"])
    assert dict(shot["custom_attributes"]) == {"fstart": 1001, "remark {}": None}
    shot["custom_attributes"]["fstart"] = 7
    shot["custom_attributes"]["remark {}"] = "late {}"
    session.commit()

    assert dict(shot["custom_attributes"]) == {"fstart": 7, "remark {}": "late {}"}
    seen = connect().get("Shot", shots[0]["id"])
    assert dict(seen["custom_attributes"]) == {"fstart": 7, "remark {}": "late {}"}
    with pytest.raises(KeyError):
        seen["custom_attributes"]["unknown"] = 1


def test_values_of_a_new_entity(define: Define, connect: Connect, project: Any) -> None:
    define("fend", "number", default=1100)
    session = connect()

    shot = session.create("Shot", {"name": "new", "parent_id": project["id"], "project_id": project["id"]})
    shot["custom_attributes"]["fend"] = 12
    session.commit()

    assert connect().get("Shot", shot["id"])["custom_attributes"]["fend"] == 12
    with pytest.raises(ValueError, match="No valid custom attribute"):
        session.create("Shot", {"name": "x", "parent_id": project["id"], "project_id": None})["custom_attributes"][
            "no"
        ] = 1
    session.rollback()


def test_entities_are_found_by_their_values(define: Define, connect: Connect, shots: list[Any]) -> None:
    define("fps", "number", default=24)
    define("camera")
    session = connect()
    first, second, *_ = [session.get("Shot", each["id"]) for each in shots]
    first["custom_attributes"]["fps"] = 25
    second["custom_attributes"]["camera"] = "a-cam"
    session.commit()
    here = f"parent_id is {shots[0]['parent_id']} and "

    def found(condition: str, kind: str = "Shot") -> list[str]:
        return [each["name"] for each in session.query(f"select name from {kind} where {here}{condition}")]

    assert found('custom_attributes any (key is "fps" and value is 25)') == ["sh10"]
    assert found('custom_attributes any (key is "fps" and value is "25")') == ["sh10"]
    assert found('custom_attributes any (key is "fps" and value is 24)') == ["sh20", "sh30", "sh40", "sh50"]
    assert found('custom_attributes any (key is "fps" and value > 24)') == ["sh10"]
    assert found('custom_attributes any (key is "camera" and value like "a%")', "TypedContext") == ["sh20"]
    assert found('custom_attributes any (key is "camera" and value is "a-cam")', "Context") == ["sh20"]
    assert found('custom_attributes any (key is "nothing" and value is 1)') == []
    assert len(found("custom_attributes.configuration.key is fps")) == 5
    assert found("custom_attributes.key is fps and not custom_attributes any (key is fps and value is 24)") == ["sh10"]
    assert found('parent.children.custom_attributes any (key is "fps" and value is 25) and name is sh50') == ["sh50"]


def test_values_can_be_asked_for_by_themselves(define: Define, connect: Connect, shots: list[Any]) -> None:
    configuration = define("lens", default="50mm")
    session = connect()
    shot = session.get("Shot", shots[0]["id"])
    shot["custom_attributes"]["lens"] = "35mm"
    session.commit()
    session = connect()

    value = session.get("ContextCustomAttributeValue", [configuration["id"], shot["id"]])
    assert (value["key"], value["value"], value["configuration"]["label"]) == ("lens", "35mm", "Lens")
    found = session.query(
        f'CustomAttributeValue where configuration.key is "lens" and entity_id is {shots[1]["id"]}'
    ).one()
    assert found["value"] == "50mm"
    many = session.query(
        'select value, entity_id from ContextCustomAttributeValue where configuration.label is "Lens"'
    ).all()
    assert {each["entity_id"] for each in many} >= {each["id"] for each in shots}
    assert [each["value"] for each in many if each["entity_id"] == shot["id"]] == ["35mm"]
    within = 'select entity_id from ContextCustomAttributeValue where key is "lens" and value is "35mm"'
    assert session.query(f"Shot where id in ({within})").one()["id"] == shot["id"]
    [deep] = session.query(f"select custom_attributes.configuration.label from Shot where id is {shot['id']}")
    with session.auto_populating(False):
        [one] = [each for each in deep["custom_attributes"].collection if each["key"] == "lens"]
        assert one["configuration"]["label"] == "Lens"


def test_every_kind_of_entity_that_may_have_some(
    define: Define, connect: Connect, task: Any, user: Any, unique: Callable[[str], str]
) -> None:
    for kind in ("show", "asset", "assetversion", "user", "list"):
        define(f"of {kind}", entity_type=kind)
    session = connect()
    asset = session.create("Asset", {"name": "a", "parent": session.get("Task", task["id"])})
    version = session.create("AssetVersion", {"asset": asset})
    listed = session.create("TypedContextList", {"name": "l", "project_id": task["project_id"]})
    session.commit()
    session = connect()
    for kind, name, entity in (
        ("show", "Project", task["project"]), ("asset", "Asset", asset), ("assetversion", "AssetVersion", version),
        ("user", "User", user), ("list", "TypedContextList", listed),
    ):  # fmt: skip
        mine = session.get(name, entity["id"])
        assert f"of {kind}" in mine["custom_attributes"]
        mine["custom_attributes"][f"of {kind}"] = f"value {kind}"
        session.commit()
        assert connect().get(name, entity["id"])["custom_attributes"][f"of {kind}"] == f"value {kind}"


def test_hierarchical_ones_are_on_everything_below_a_project(define: Define, connect: Connect, task: Any) -> None:
    define("deep", is_hierarchical=True, default="d")
    session = connect()
    asset = session.create("Asset", {"name": "a", "parent_id": task["id"]})
    session.commit()
    session = connect()

    # From below: what is above hands its value down.
    for name, number in (("Asset", asset["id"]), ("Task", task["id"]), ("Project", task["project_id"])):
        entity = session.get(name, number)
        assert entity["custom_attributes"]["deep"] == "d"
        entity["custom_attributes"]["deep"] = name
        session.commit()
        assert connect().get(name, number)["custom_attributes"]["deep"] == name


def test_what_is_above_hands_down_in_a_request_for_each_level(
    define: Define, connect: Connect, shots: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    page = Reader.page
    monkeypatch.setattr(Reader, "page", lambda self, query, *more: [asked.append(query), page(self, query, *more)][1])
    define("handed", is_hierarchical=True)
    project = connect().get("Project", shots[0]["project_id"])
    project["custom_attributes"]["handed"] = "down"
    project.session.commit()

    def pages(ids: list[str]) -> int:
        session = connect()
        asked.clear()
        found = session.query(f"select custom_attributes from Shot where id in ({', '.join(ids)})").all()
        assert [each["custom_attributes"]["handed"] for each in found] == ["down"] * len(ids)
        return len(asked)

    ids = [each["id"] for each in shots]
    assert 0 < pages(ids) == pages(ids[:1]) < 10


def test_what_may_not_be_seen_hands_nothing_down(
    define: Define, connect: Connect, studio: Stage, shots: list[Any], unique: Callable[[str], str]
) -> None:
    define("quiet", is_hierarchical=True, default="nothing said")
    session = connect()
    session.get("Project", shots[0]["project_id"])["custom_attributes"]["quiet"] = "of the project"
    session.get("Sequence", shots[0]["parent_id"])["custom_attributes"]["quiet"] = "of the sequence"
    session.commit()
    name = unique("freelancer")
    rules = [("read", "Shot", None), ("read", "Project", None), ("read", "CustomAttributeConfiguration", None)]
    freelancer = connect(user=name, key=studio.person(name, *rules))

    found = freelancer.get("Shot", shots[0]["id"])

    assert found["custom_attributes"]["quiet"] == "nothing said"
    assert freelancer.get("Project", shots[0]["project_id"])["custom_attributes"]["quiet"] == "of the project"


def test_those_of_one_project_are_only_there(
    define: Define, connect: Connect, project: Any, task: Any, session: Any
) -> None:
    elsewhere = session.create("Project", {"name": "elsewhere", "full_name": "e"})
    other = session.create("Shot", {"name": "x", "parent": elsewhere})
    session.commit()
    define("local", project_id=project["id"], default="here")
    define("local", project_id=elsewhere["id"], default="there")

    mine = connect()
    assert mine.get("Shot", task["parent_id"])["custom_attributes"]["local"] == "here"
    assert mine.get("Shot", other["id"])["custom_attributes"]["local"] == "there"
    found = mine.query('Shot where custom_attributes any (key is "local" and value is "there")').all()
    assert [each["id"] for each in found] == [other["id"]]
    with pytest.raises(ftrack_api.exception.ServerError):
        define("local", project_id=project["id"])


def test_kinds_of_values(define: Define, connect: Connect, shots: list[Any]) -> None:
    import datetime as dt

    import arrow

    define("done", "boolean", default=False)
    define("tags", "enumerator", config='{"multiSelect": true, "data": "[]"}')
    define("due", "date")
    define("count", "number", config='{"isdecimal": false}')
    session = connect()
    shot = session.get("Shot", shots[0]["id"])
    values = {"done": True, "tags": ["a", "b"], "due": dt.datetime(2022, 1, 2, 3), "count": 3}
    for key, value in values.items():
        shot["custom_attributes"][key] = value
    session.commit()

    seen = dict(connect().get("Shot", shots[0]["id"])["custom_attributes"])
    assert seen == {**values, "due": arrow.get(2022, 1, 2, 3)}
    shot["custom_attributes"]["count"] = "many"
    with pytest.raises(ftrack_api.exception.ServerError, match="ValidationError"):
        session.commit()


def test_they_are_no_attributes_beside_and_real_ones_natively(
    define: Define, connect: Connect, studio: Stage, shots: list[Any]
) -> None:
    configuration = define("Native Key!")
    session = connect()
    session.get("Shot", shots[0]["id"])["custom_attributes"]["Native Key!"] = "x"
    session.commit()

    assert "Native_Key" not in set(session.types["Shot"].attributes.keys())
    import recordroom as rr

    with rr.connect(studio.server.url, api_key=studio.key) as native:
        assert native.get("Shot", shots[0]["id"])["Native_Key"] == "x"
    session = connect()
    session.delete(session.get("CustomAttributeConfiguration", configuration["id"]))
    session.commit()
    with rr.connect(studio.server.url, api_key=studio.key) as native:
        assert "Native_Key" not in native.schema.attributes("Shot")
