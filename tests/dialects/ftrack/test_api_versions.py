"""What is worked out of versions, thumbnails by their addresses, and casts in paths, with the unmodified client."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import requests

from tests.media.making import picture

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ftrack_api.exception

Connect = Callable[..., Any]
Unique = Callable[[str], str]


@pytest.fixture
def assets(session: Any, shots: list[Any]) -> list[Any]:
    """Assets with three versions, with one, and with none."""
    made = [session.create("Asset", {"name": name, "parent": shots[0]}) for name in ("three", "one", "none")]
    for asset in (made[0], made[0], made[0], made[1]):
        session.create("AssetVersion", {"asset": asset, "comment": asset["name"]})
    session.commit()
    return made


def of_shot(assets: list[Any]) -> str:
    return f'asset.parent.id is "{assets[0]["context_id"]}"'


def numbers(rows: Any) -> list[tuple[str, int]]:
    return [(each["asset"]["name"], each["version"]) for each in rows]


# --- the latest version ---------------------------------------------------------------------------------


def test_a_version_says_whether_it_is_the_latest(connect: Connect, assets: list[Any]) -> None:
    rows = connect().query(
        f"select asset.name, version, is_latest_version from AssetVersion where {of_shot(assets)} order by version"
    )

    latest = {(each["asset"]["name"], each["version"]): each["is_latest_version"] for each in rows}
    assert latest == {("one", 1): True, ("three", 1): False, ("three", 2): False, ("three", 3): True}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("is_latest_version is True", [("one", 1), ("three", 3)]),
        ("is_latest_version is False", [("three", 1), ("three", 2)]),
        ("is_latest_version is_not True", [("three", 1), ("three", 2)]),
        ("not is_latest_version is True", [("three", 1), ("three", 2)]),
        ("is_latest_version in (True, False)", [("one", 1), ("three", 1), ("three", 2), ("three", 3)]),
        ("is_latest_version is None", []),
        ("asset.latest_version.version is 3", [("three", 1), ("three", 2), ("three", 3)]),
    ],
)
def test_versions_are_found_by_whether_they_are_the_latest(
    connect: Connect, assets: list[Any], condition: str, expected: list[Any]
) -> None:
    rows = connect().query(
        f"select asset.name, version from AssetVersion where {of_shot(assets)} and {condition} order by asset.name, version"
    )

    assert numbers(rows) == expected


def test_versions_are_sorted_by_whether_they_are_the_latest(connect: Connect, assets: list[Any]) -> None:
    text = f"select asset.name, version from AssetVersion where {of_shot(assets)} order by is_latest_version"

    assert numbers(connect().query(f"{text} descending, asset.name, version")) == [
        ("one", 1), ("three", 3), ("three", 1), ("three", 2)
    ]  # fmt: skip
    assert numbers(connect().query(f"{text}, version descending, asset.name")) == [
        ("three", 2), ("three", 1), ("three", 3), ("one", 1)
    ]  # fmt: skip


def test_an_asset_has_its_latest_version(session: Any, connect: Connect, assets: list[Any]) -> None:
    ids = ", ".join(each["id"] for each in assets)
    rows = (
        connect()
        .query(f"select name, latest_version.version, latest_version.user.username from Asset where id in ({ids})")
        .all()
    )

    found = {each["name"]: each["latest_version"] for each in rows}
    assert {name: each and each["version"] for name, each in found.items()} == {"three": 3, "one": 1, "none": None}
    assert found["one"]["user"]["username"] == "administrator"
    new = session.create("AssetVersion", {"asset": assets[1]})
    session.commit()
    assert connect().get("Asset", assets[1]["id"])["latest_version"]["id"] == new["id"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("latest_version.version is 3", ["three"]),
        ("latest_version.version < 3", ["one"]),
        ("latest_version has (comment is one)", ["one"]),
        ("latest_version is None", ["none"]),
        ("latest_version is_not None", ["one", "three"]),
        ("not latest_version.version > 0", ["none"]),
    ],
)
def test_assets_are_found_by_their_latest_version(
    connect: Connect, assets: list[Any], condition: str, expected: list[str]
) -> None:
    where = f"parent.id is {assets[0]['context_id']} and {condition}"
    rows = connect().query(f"select name from Asset where {where} order by name")

    assert [each["name"] for each in rows] == expected


def test_assets_are_sorted_by_the_number_of_their_latest_version(connect: Connect, assets: list[Any]) -> None:
    where = f"parent.id is {assets[0]['context_id']}"
    rows = connect().query(f"select name from Asset where {where} order by latest_version.version descending")
    assert [each["name"] for each in rows] == ["three", "one", "none"]

    with pytest.raises(ftrack_api.exception.ServerError, match="cannot be sorted by"):
        connect().query(f"select name from Asset where {where} order by latest_version.comment").all()


def test_what_is_worked_out_is_set_by_nobody(session: Any, assets: list[Any]) -> None:
    assert assets[0]["latest_version"]["is_latest_version"] is True

    with pytest.raises(ftrack_api.exception.ImmutableAttributeError):
        assets[0]["latest_version"]["is_latest_version"] = False


# --- thumbnails -----------------------------------------------------------------------------------------


def test_the_address_of_a_thumbnail_shows_it(session: Any, connect: Connect, version: Any, tmp_path: Path) -> None:
    thumbnail = version.create_thumbnail(str(picture(tmp_path / "a.png", size=(64, 48))))
    session.commit()

    seen = connect().query(f"select thumbnail_url from AssetVersion where id is {version['id']}").one()
    found = seen["thumbnail_url"]
    assert found["url"] == found["value"]
    assert thumbnail["id"] in found["url"]
    answer = requests.get(found["url"], timeout=30)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    with PIL.Image.open(io.BytesIO(answer.content)) as image:
        assert image.size == (64, 48)


def test_what_has_no_thumbnail_has_the_address_of_a_picture_that_says_so(
    session: Any, project: Any, task: Any, user: Any
) -> None:
    for each in (project, task, user):
        answer = requests.get(each["thumbnail_url"]["url"], timeout=30)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


def test_an_address_is_signed_for_who_asks_and_holds_no_key(session: Any, version: Any, tmp_path: Path) -> None:
    version.create_thumbnail(str(picture(tmp_path / "a.png")))
    session.commit()
    url = version["thumbnail_url"]["url"]

    assert session.api_key not in url
    assert requests.get(url[:-2], timeout=30).status_code in (400, 401, 403)


def test_addresses_are_no_conditions(session: Any) -> None:
    for query in ("Task where thumbnail_url is None", "Task order by thumbnail_url"):
        with pytest.raises(ftrack_api.exception.ServerError, match="thumbnail_url"):
            session.query(query).all()


# --- casts ----------------------------------------------------------------------------------------------


@pytest.fixture
def tasks(session: Any, shots: list[Any]) -> list[Any]:
    """Tasks of two shots, of a sequence and of the project."""
    parents = [shots[0], shots[1], shots[0]["parent"], shots[0]["project"]]
    made = [session.create("Task", {"name": f"t{n}", "parent": each, "bid": n}) for n, each in enumerate(parents)]
    shots[0]["bid"], shots[0]["status"] = 7, session.query("Status where name is Approved").one()
    session.commit()
    return made


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("parent[Shot].name is sh10", ["t0"]),
        ('parent[Shot].name like "sh%"', ["t0", "t1"]),
        ("parent[Sequence].name is_not x", ["t2"]),
        ("parent[Shot].status.name is Approved", ["t0"]),
        ("parent[TypedContext].name is_not x", ["t0", "t1", "t2"]),
        ("parent[Shot] has (bid > 5)", ["t0"]),
        ("parent[Project].status is active", ["t3"]),
        ("not parent[Shot] has ()", ["t2", "t3"]),
        ("parent[Shot].parent[Sequence].name is sq010", ["t0", "t1"]),
        ("ancestors[Sequence].name is sq010", ["t0", "t1", "t2"]),
        ("project.descendants[Shot].bid is 7", ["t0", "t1", "t2", "t3"]),
        ("parent[Shot].id in (select id from Shot where bid is 7)", ["t0"]),
    ],
)
def test_conditions_cast_what_paths_lead_through(
    connect: Connect, tasks: list[Any], condition: str, expected: list[str]
) -> None:
    rows = connect().query(f"Task where project_id is {tasks[0]['project_id']} and {condition} order by name")

    assert [each["name"] for each in rows] == expected


def test_a_cast_is_of_one_kind_by_its_id(session: Any, shots: list[Any], tasks: list[Any]) -> None:
    assert session.query(f"Task where parent[Shot] is {shots[0]['id']}").one() is tasks[0]
    assert session.query(f"Task where parent[Sequence] is {shots[0]['id']}").all() == []


def test_what_a_cast_leads_to_is_selected(connect: Connect, tasks: list[Any], calls: list[Any]) -> None:
    other = connect()
    rows = other.query(
        "select name, parent[Shot].name, parent[Shot].bid, parent[Shot].status.name, project.children[Sequence].name"
        f" from Task where project_id is {tasks[0]['project_id']} order by name"
    ).all()
    count = len(calls)

    assert rows[0]["parent"]["name"] == "sh10"
    assert (rows[0]["parent"]["bid"], rows[0]["parent"]["status"]["name"]) == (7, "Approved")
    assert len(calls) == count


def test_what_a_cast_leads_to_is_sorted_by(connect: Connect, tasks: list[Any]) -> None:
    where = f"project_id is {tasks[0]['project_id']} and parent[Shot] has ()"
    rows = connect().query(f"Task where {where} order by parent[Shot].name descending")

    assert [each["name"] for each in rows] == ["t1", "t0"]


def test_casts_are_populated(connect: Connect, tasks: list[Any], calls: list[Any]) -> None:
    other = connect()
    rows = [other.get("Task", each["id"]) for each in tasks]
    other.populate(rows, "parent[Shot].bid, name")
    count = len(calls)

    assert rows[0]["parent"]["bid"] == 7
    assert len(calls) == count


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("Task where parent[Nothing].name is x", "Nothing"),
        ("Task where parent[User].username is x", "is no User"),
        ("select parent[AssetVersion].version from Task", "is no AssetVersion"),
        ("select parent[Shot].root from Task", "root"),
        ("Task where parent[Shot].root is x", "root"),
        ("Task where name[Shot].name is x", "name"),
        ("Task order by parent[Shot].bid", "bid"),
    ],
)
def test_casts_to_what_cannot_be_are_refused(session: Any, query: str, message: str) -> None:
    with pytest.raises(ftrack_api.exception.ServerError, match=message):
        session.query(query).all()


def test_brackets_in_values_are_no_casts(session: Any, project: Any) -> None:
    task = session.create("Task", {"name": "light[Shot]", "parent": project})
    session.commit()

    for text in ("light[Shot]", '"light[Shot]"'):
        assert session.query(f"Task where project_id is {project['id']} and name is {text}").one() is task
