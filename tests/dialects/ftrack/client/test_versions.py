"""Versions with the drop-in client: links as pairs with ids, the latest one, addresses of thumbnails, casts."""

from __future__ import annotations

import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

from recordroom.dialects.ftrack.client import exception
from recordroom.dialects.ftrack.pairs import is_made
from recordroom.model.ids import as_id
from tests.dialects.ftrack.client.dropins import Dropins
from tests.media.making import picture


@pytest.fixture
def versions(session: Any, task: Any) -> list[Any]:
    """Three versions of an asset."""
    asset = session.create("Asset", {"name": "a", "parent": task["parent"]})
    made = [session.create("AssetVersion", {"asset": asset, "task": task}) for _ in range(3)]
    session.commit()
    return made


# --- pairs ----------------------------------------------------------------------------------------------


def test_a_link_is_deleted_by_the_object_that_it_was_made_as(
    session: Any, connect: Dropins, versions: list[Any]
) -> None:
    link = session.create("AssetVersionLink", {"from": versions[0], "to": versions[1]})
    assert (link["from"], link["to_id"]) == (versions[0], versions[1]["id"])
    assert [each["id"] for each in versions[1]["incoming_links"]] == [link["id"]]
    session.commit()

    other = connect()
    assert other.get("AssetVersionLink", link["id"])["from"] == versions[0]
    assert [each["to"] for each in other.get("AssetVersion", versions[0]["id"])["outgoing_links"]] == [versions[1]]
    session.delete(link)
    session.commit()
    assert connect().get("AssetVersionLink", link["id"]) is None
    assert list(connect().get("AssetVersion", versions[1]["id"])["uses_versions"]) == []


def test_a_link_that_nobody_named_has_one_id_for_all(session: Any, connect: Dropins, versions: list[Any]) -> None:
    versions[1]["uses_versions"].extend([versions[0], versions[2]])
    session.commit()
    seen = {each["from_id"]: each for each in connect().get("AssetVersion", versions[1]["id"])["incoming_links"]}

    assert set(seen) == {versions[0]["id"], versions[2]["id"]}
    rows = connect().query(f"AssetVersionLink where to_id is {versions[1]['id']}").all()
    assert {each["id"] for each in rows} == {each["id"] for each in seen.values()}
    assert all(is_made(as_id(each["id"])) for each in rows)
    found = connect().get("AssetVersionLink", seen[versions[0]["id"]]["id"])
    assert (found["from"], found["to"]) == (versions[0], versions[1])


def test_a_pair_gets_its_halves_one_after_the_other(session: Any, connect: Dropins, versions: list[Any]) -> None:
    link = session.create("AssetVersionLink", {"from": versions[0]})
    with pytest.raises(exception.ServerError, match="to: expected an entity"):
        session.commit()
    link["to_id"] = versions[1]["id"]
    session.commit()

    [seen] = connect().query(f"AssetVersionLink where from_id is {versions[0]['id']}")
    assert seen["id"] == link["id"]
    with pytest.raises(exception.ImmutableAttributeError):
        link["to"] = versions[2]


def test_a_pair_that_is_made_and_taken_back_is_nowhere(session: Any, connect: Dropins, versions: list[Any]) -> None:
    link = session.create("AssetVersionLink", {"from": versions[0], "to": versions[1]})
    session.delete(link)
    half = session.create("AssetVersionLink", {"from": versions[0]})
    session.delete(half)
    session.commit()
    session.create("AssetVersionLink", {"from": versions[0], "to": versions[2]})
    session.rollback()

    assert connect().query(f"AssetVersionLink where from_id is {versions[0]['id']}").all() == []
    assert list(versions[2]["uses_versions"]) == []


def test_what_is_no_id_names_no_pair(session: Any, versions: list[Any]) -> None:
    assert session.get("AssetVersionLink", str(uuid.uuid4())) is None
    assert session.get("AssetVersionLink", "nonsense") is None
    with pytest.raises(exception.ServerError, match="an id that nothing has"):
        session.create("AssetVersionLink", {"id": "nonsense", "from": versions[0], "to": versions[1]})


def test_objects_of_lists_lead_to_what_is_in_them(session: Any, connect: Dropins, versions: list[Any]) -> None:
    project = versions[0]["task"]["project"]
    listed = session.create("AssetVersionList", {"name": "l", "project": project})
    made = session.create("ListObject", {"list": listed, "entity": versions[0]})
    session.commit()

    [seen] = connect().query(f"ListObject where list_id is {listed['id']}")
    assert seen["id"] == made["id"]
    assert (seen["list"], seen["entity"]) == (listed, versions[0])


# --- what is worked out ---------------------------------------------------------------------------------


def test_the_latest_version(session: Any, connect: Dropins, versions: list[Any]) -> None:
    where = f"asset_id is {versions[0]['asset_id']}"
    rows = connect().query(f"select version, is_latest_version from AssetVersion where {where} order by version")
    assert [each["is_latest_version"] for each in rows] == [False, False, True]

    new = session.create("AssetVersion", {"asset": versions[0]["asset"]})
    session.commit()
    assert new["is_latest_version"] is True
    assert versions[0]["asset"]["latest_version"] is new
    other = connect()
    assert other.query(f"AssetVersion where {where} and is_latest_version is True").one() == new
    assert (
        other.query(f"select latest_version.version from Asset where latest_version.id is {new['id']}").one()[
            "latest_version"
        ]["version"]
        == 4
    )
    assert other.query(f"AssetVersion where {where} order by is_latest_version descending").first() == new


def test_the_address_of_a_thumbnail(session: Any, connect: Dropins, versions: list[Any], tmp_path: Path) -> None:
    thumbnail = versions[0].create_thumbnail(str(picture(tmp_path / "a.png")))
    session.commit()
    seen, none = (connect().get("AssetVersion", each["id"])["thumbnail_url"] for each in versions[:2])

    if not session.server_url.startswith("http"):
        assert seen == none == {"url": None, "value": None}
        return
    assert thumbnail["id"] in seen["url"]
    kinds = []
    for each in (seen, none):
        assert each["url"] == each["value"]
        with urllib.request.urlopen(each["url"], timeout=30) as answer:
            kinds.append(answer.headers["content-type"])
    assert kinds == ["image/jpeg", "image/png"]


# --- casts ----------------------------------------------------------------------------------------------


def test_casts_in_paths(session: Any, connect: Dropins, task: Any) -> None:
    task["parent"]["bid"] = 5
    session.commit()
    other = connect()
    where = f"project_id is {task['project_id']}"

    assert other.query(f"Task where {where} and parent[Shot].bid is 5").one() == task
    assert other.query(f"Task where {where} and parent[Sequence].name is_not x").all() == []
    found = other.query(f"select parent[Shot].bid from Task where {where} order by parent[Shot].name").one()
    other.populate(found, "parent[Shot].name, name")
    with other.auto_populating(False):
        assert (found["parent"]["bid"], found["parent"]["name"]) == (5, "sh10")
    for text in ("Task where parent[User].username is x", "select parent[Nothing].name from Task"):
        with pytest.raises(exception.ServerError):
            other.query(text).all()
