"""The listener for jobs knows one key; encodings that are handed in without a session."""

from __future__ import annotations

import base64
import json

import pytest

import recordroom as rr
from recordroom.errors import NotAuthenticated, NotFound
from recordroom.model.actor import OWNER
from recordroom.model.ids import new_id, show_id
from recordroom.model.operations import Commit, Create, Update
from recordroom.query.grammar import parse
from recordroom.query.request import QueryRequest
from recordroom.server.jobs import JobAccounts, Order, submit_encoding
from tests.conftest import Places
from tests.server.people import People, with_people

KEY = "the-key-of-this-process"


def credential(name: str, key: str = KEY) -> str:
    return f"Bearer {key}.{base64.urlsafe_b64encode(name.encode()).decode()}"


def test_the_key_is_the_owners_and_with_a_name_that_users(places: Places) -> None:
    async def story(people: People) -> None:
        user = await people.user("Änn", "editor")
        accounts = JobAccounts(people.room, KEY)

        assert (await accounts.identify(f"Bearer {KEY}")).actor == OWNER
        identity = await accounts.identify(credential("Änn"))
        assert (identity.actor.name, identity.actor.user) == ("Änn", user)
        assert await accounts.me(identity) == {"name": "Änn", "user": show_id(user)}
        assert accounts.expect(credential("Änn")) is None

    with_people(places(), story)


def test_other_keys_and_names_open_nothing(places_sqlite: Places) -> None:
    async def story(people: People) -> None:
        gone = await people.user("gone", "editor")
        update = Update(type="User", ids=[gone], columns={"active": [False]})
        await people.room.commit(Commit(id=new_id(), operations=[update]))
        accounts = JobAccounts(people.room, KEY)

        wrong = [None, "", "Bearer ", "Bearer x", f"Bearer {KEY}x", f"Bearer {KEY}.!", f"Bearer {KEY}.w4Q", "Bearer ü"]
        for each in [*wrong, credential("nobody"), credential("gone"), credential("Änn", "other")]:
            with pytest.raises(NotAuthenticated):
                await accounts.identify(each)

    with_people(places_sqlite(), story)


def test_an_order_does_not_show_its_key() -> None:
    assert KEY not in repr(Order(url="http://127.0.0.1:1", key=KEY, lease=1.0, idle=1.0))


def test_an_encoding_is_handed_in_as_the_one_who_asks(places: Places) -> None:
    where = places()
    with rr.connect(where) as session:
        session.apply_template("files")

    async def story(people: People) -> None:
        await people.user("ann", "editor")
        ann = await people.of(await people.log_in("ann"))
        room = people.room.acting(ann.actor)
        component, version = new_id(), new_id()
        columns = {"name": ["plate"], "file_type": [".mov"]}
        await room.commit(
            Commit(id=new_id(), operations=[Create(type="FileComponent", ids=[component], columns=columns)])
        )
        job = await submit_encoding(room, component, version, keep_original=False)

        query = parse("select type, status, data, user, created_by from Job where id is $id")
        page = await room.query(QueryRequest(query=query, parameters={"id": job}))
        found = {name: column[0] for name, column in page.columns.items()}
        assert (found["type"], found["status"], found["created_by"]) == ("encode_media", "queued", "ann")
        assert found["user"] == ann.actor.user
        data = json.loads(found["data"])
        assert [each["format"] for each in data["output"]] == ["video/mp4", "image/jpeg"]
        assert (data["source_component_id"], data["version_id"]) == (show_id(component), show_id(version))
        assert data["keep_original"] is False
        with pytest.raises(NotFound):
            await submit_encoding(room, new_id())

    with_people(where, story)
