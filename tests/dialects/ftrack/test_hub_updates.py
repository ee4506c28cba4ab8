"""What commits are told as: events `ftrack.update`, heard by the unmodified client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recordroom.dialects.ftrack.tables import OBJECT_TYPES
from tests.dialects.ftrack.hubs import Event, EventHub, Hubs, Stage, settle, stage, until


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A server for all tests of this module."""
    with stage(str(tmp_path_factory.mktemp("updates") / "a.room")) as found:
        yield found


@pytest.fixture
def hubs(here: Stage) -> Iterator[Hubs]:
    found = Hubs(here.server.url, here.user, here.key)
    yield found
    found.close()


class Updates:
    """What a hub hears of commits, entity by entity."""

    def __init__(self, hub: EventHub, expression: str = "topic=ftrack.update") -> None:
        self.hub = hub
        self.events: list[Any] = []
        hub.subscribe(expression, self.events.append)
        settle(hub)

    def next(self, count: int = 1) -> list[dict[str, Any]]:
        """The entities of the events that came, once there are at least `count`; they are forgotten."""
        until(lambda: len(self.entities) >= count, self.hub)
        found = self.entities
        self.events.clear()
        return found

    @property
    def entities(self) -> list[dict[str, Any]]:
        return [entity for event in self.events for entity in event["data"]["entities"]]


def by_id(entities: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["entityId"]: each for each in entities}


def test_what_is_made_changed_moved_and_deleted_is_told(here: Stage, hubs: Hubs) -> None:
    session, heard = here.session, Updates(hubs())
    project = session.create("Project", {"name": "updates"})
    first = session.create("Sequence", {"name": "sq1", "parent": project})
    second = session.create("Sequence", {"name": "sq2", "parent": project})
    task = session.create("Task", {"name": "anim", "parent": first})
    session.commit()
    ids = {name: str(each["id"]) for name, each in {"p": project, "1": first, "2": second, "t": task}.items()}

    made = by_id(heard.next())
    assert {each["action"] for each in made.values()} == {"add"}
    assert (made[ids["t"]]["entityType"], made[ids["t"]]["entity_type"]) == ("task", "Task")
    assert (made[ids["p"]]["entityType"], made[ids["p"]]["entity_type"]) == ("show", "Project")
    assert (made[ids["t"]]["objectTypeId"], made[ids["p"]]["objectTypeId"]) == (OBJECT_TYPES["Task"], None)
    assert made[ids["t"]]["changes"]["name"] == {"old": None, "new": "anim"}
    assert made[ids["t"]]["changes"]["parent_id"] == {"old": None, "new": ids["1"]}
    assert [each["entityId"] for each in made[ids["t"]]["parents"]] == [ids["t"], ids["1"], ids["p"]]
    assert [each["parentId"] for each in made[ids["t"]]["parents"]] == [ids["1"], ids["p"], None]

    status, kind = session.query("Status").first(), session.query("Type").first()
    task["status"], task["type"], task["description"] = status, kind, "waves"
    session.commit()
    [changed] = heard.next()
    assert changed["action"] == "update"
    assert set(changed["keys"]) == {"status_id", "statusid", "type_id", "typeid", "description"}
    assert changed["changes"]["statusid"]["new"] == str(status["id"])
    assert changed["changes"]["description"] == {"old": None, "new": "waves"}

    task["parent"] = second
    session.commit()
    [moved] = heard.next()
    assert (moved["action"], moved["changes"]["parent_id"]) == ("move", {"old": ids["1"], "new": ids["2"]})
    assert [each["entityId"] for each in moved["parents"]] == [ids["t"], ids["2"], ids["p"]]

    session.delete(task)
    session.commit()
    [gone] = heard.next()
    assert (gone["action"], gone["entityId"], gone["entity_type"]) == ("remove", ids["t"], "Task")
    assert [each["entityId"] for each in gone["parents"]] == [ids["t"], ids["2"], ids["p"]]
    assert gone["changes"]["name"] == {"old": "anim", "new": None}


def test_an_update_says_who_made_it_and_has_what_the_client_takes(here: Stage, hubs: Hubs) -> None:
    session, heard = here.session, Updates(hubs(), "topic=ftrack.update and source.user.username=administrator")
    user = session.query("User where name is administrator").one()

    session.create("Project", {"name": "who"})
    session.commit()

    until(lambda: heard.events, heard.hub)
    [event] = heard.events
    assert set(event) == {"topic", "id", "data", "sent", "source", "target", "in_reply_to_event"}
    assert set(event["data"]) == {"entities", "user", "clientToken", "pushToken"}
    assert event["data"]["user"]["userid"] == str(user["id"])
    assert event["source"]["user"]["username"] == "administrator"


def test_metadata_and_lists_are_told_as_changes_of_their_owner(here: Stage, hubs: Hubs) -> None:
    session, heard = here.session, Updates(hubs())
    project = session.create("Project", {"name": "meta"})
    scope = session.create("Scope", {"name": "a scope"})
    session.commit()
    heard.next()

    project["metadata"]["fps"] = "24"
    project["scopes"].append(scope)
    session.commit()
    [told] = heard.next()
    project["metadata"]["fps"] = "25"
    session.commit()
    [again] = heard.next()

    assert told["changes"]["metadata"] == {"old": {}, "new": {"fps": "24"}}
    assert told["changes"]["scopes"] == {"old": [], "new": [str(scope["id"])]}
    assert again["changes"] == {"metadata": {"old": {"fps": "24"}, "new": {"fps": "25"}}}


def test_versions_and_what_belongs_to_them_have_parents_too(here: Stage, hubs: Hubs) -> None:
    session, heard = here.session, Updates(hubs())
    project = session.create("Project", {"name": "versions"})
    shot = session.create("Shot", {"name": "sh", "parent": project})
    asset = session.create("Asset", {"name": "geo", "parent": shot})
    version = session.create("AssetVersion", {"asset": asset})
    note = session.create("Note", {"content": "hm", "version": version})
    session.commit()

    told = by_id(heard.next(5))

    lines = [[each["entity_type"] for each in told[str(entity["id"])]["parents"]] for entity in (version, note)]
    assert lines[0] == ["AssetVersion", "Asset", "Shot", "Project"]
    assert lines[1] == ["Note", *lines[0]]
    assert told[str(version["id"])]["entityType"] == "assetversion"
    assert "asset_id" in told[str(version["id"])]["keys"]


def test_every_entity_of_a_large_commit_is_told(here: Stage, hubs: Hubs) -> None:
    session, heard = here.session, Updates(hubs())
    project = session.create("Project", {"name": "large"})
    tasks = [session.create("Task", {"name": f"t{number}", "parent": project}) for number in range(1_100)]
    session.commit()

    told = heard.next(1_101)

    assert {each["entityId"] for each in told} == {str(each["id"]) for each in [project, *tasks]}
    assert len(told) == 1_101
    assert all(each["parents"][-1]["entityId"] == str(project["id"]) for each in told)


def test_accounts_and_secrets_are_not_told(here: Stage, hubs: Hubs) -> None:
    heard = Updates(hubs())
    here.new_key("administrator")
    here.session.create("Project", {"name": "after"})
    here.session.commit()

    told = heard.next()

    assert [each["entity_type"] for each in told] == ["Project"]


def test_a_person_hears_of_what_the_rules_let_them_see_and_of_nothing_else(here: Stage, hubs: Hubs) -> None:
    session = here.session
    shown, hidden = (session.create("Project", {"name": name}) for name in ("shown", "hidden"))
    session.commit()
    rules = [("read", name, 'name like "shown%"') for name in ("Project", "Task")]
    key = here.person("bob", *rules)
    heard = Updates(hubs(user="bob", key=key))
    mine = session.create("Task", {"name": "shown task", "parent": shown, "description": "a"})
    session.create("Task", {"name": "secret task", "parent": hidden})
    session.commit()

    told = heard.next()
    assert [each["entityId"] for each in told] == [str(mine["id"])]
    assert "secret" not in str(told)

    mine["name"] = "secret now"
    session.commit()
    mine["name"] = "shown again"
    session.commit()
    last = heard.next()
    assert "secret" not in str(last)


def test_what_people_publish_everybody_hears_and_by_whom(here: Stage, hubs: Hubs) -> None:
    key = here.person("carl", ("read", "Task", None))
    carl, admin = hubs(user="carl", key=key), hubs()
    heard: list[Any] = []
    admin.subscribe("topic=from.carl", heard.append)
    settle(admin)

    carl.publish(Event("from.carl", source={"user": {"username": "administrator"}}))

    [event] = until(lambda: heard, admin)
    assert event["source"]["user"]["username"] == "carl"
