from __future__ import annotations

import asyncio

import pytest

from recordroom.errors import InvalidValue, NotAuthenticated, NotFound, PermissionDenied, TooManyAttempts
from recordroom.model.ids import as_id, new_id, show_id
from recordroom.model.operations import Commit, Delete, Update
from recordroom.server.auth.accounts import Accounts
from recordroom.server.auth.settings import AuthSettings
from recordroom.store.async_room import AsyncRoom
from tests.server.people import HERE, PASSWORD, with_people


def test_the_first_run_gives_a_code_that_is_good_once(places):
    async def story(people):
        assert people.admin.actor.name == "administrator"
        assert (await people.accounts.me(people.admin))["roles"] == ["administrator"]
        assert await people.accounts.first_run() is None
        with pytest.raises(NotAuthenticated):
            await people.accounts.grant({"grant": "code", "code": people.code}, client=HERE)

    with_people(places(), story)


def test_several_that_start_at_once_make_one_administrator(places):
    async def run():
        room = await AsyncRoom.open(places())
        several = [Accounts(room) for _ in range(3)]
        codes = await asyncio.gather(*(each.first_run() for each in several))
        await room.close()
        return codes

    assert sum(code is not None for code in asyncio.run(run())) == 1


def test_a_room_with_accounts_that_nobody_administers_gets_an_administrator(places):
    async def run():
        room = await AsyncRoom.open(places())
        accounts = Accounts(room)
        assert await accounts.activate()
        assert not await accounts.activate()
        codes = [await accounts.first_run(), await accounts.first_run()]
        await accounts.close()
        await room.close()
        return codes

    first, second = asyncio.run(run())
    assert first is not None
    assert second is None


def test_a_room_without_accounts_knows_nobody(places):
    async def run():
        room = await AsyncRoom.open(places())
        accounts = Accounts(room)
        try:
            for header in (None, "Bearer rrk_x", "Bearer a.b.c"):
                with pytest.raises(NotAuthenticated):
                    await accounts.identify(header)
            with pytest.raises(NotAuthenticated):
                await accounts.grant({"grant": "password", "user": "a", "password": "b"}, client=HERE)
        finally:
            await accounts.close()
            await room.close()

    asyncio.run(run())


def test_a_code_that_was_typed_otherwise_is_the_same(places):
    async def story(people):
        await people.user("ann")
        code = (await people.accounts.reset(people.admin, "ann"))["code"]
        typed = f" {code.lower().replace('-', ' ')} "
        assert (await people.accounts.grant({"grant": "code", "code": typed}, client=HERE))["user"] == "ann"

    with_people(places(), story)


def test_a_reset_ends_password_and_sessions(places):
    async def story(people):
        await people.user("ann")
        before = await people.log_in("ann")
        await people.accounts.reset(people.admin, "ann")
        with pytest.raises(NotAuthenticated):
            await people.of(before)
        with pytest.raises(NotAuthenticated):
            await people.log_in("ann")

    with_people(places(), story)


def test_only_those_who_may_change_a_user_reset_or_make_keys_for_them(places):
    async def story(people):
        await people.user("ann", "editor")
        await people.user("bob")
        ann, bob = await people.of(await people.log_in("ann")), await people.of(await people.log_in("bob"))
        with pytest.raises(PermissionDenied):
            await people.accounts.reset(ann, "administrator")
        with pytest.raises(NotFound):
            await people.accounts.reset(bob, "ann")
        with pytest.raises(NotFound):
            await people.accounts.reset(people.admin, "nobody")
        with pytest.raises(NotFound):
            await people.accounts.tokens(bob, "ann")
        request = {"grant": "api_key", "name": "farm", "user": "bob"}
        with pytest.raises(PermissionDenied):
            await people.accounts.grant(request, client=HERE, identity=ann)
        key = await people.accounts.grant(request, client=HERE, identity=people.admin)
        assert (await people.of(key)).actor.name == "bob"

    with_people(places(), story)


def test_a_deactivated_user_is_nobody_at_once(places):
    async def story(people):
        user = await people.user("ann")
        answer = await people.log_in("ann")
        await people.of(answer)
        off = Update(type="User", ids=[user], columns={"active": [False]})
        await people.room.commit(Commit(id=new_id(), operations=[off]))
        with pytest.raises(NotAuthenticated):
            await people.of(answer)
        with pytest.raises(NotAuthenticated):
            await people.log_in("ann")
        with pytest.raises(NotAuthenticated):
            await people.accounts.grant(
                {"grant": "refresh_token", "refresh_token": answer["refresh_token"]}, client=HERE
            )

    with_people(places(), story)


def test_a_token_that_is_revoked_or_deleted_as_an_entity_is_good_no_more(places):
    async def story(people):
        await people.user("ann")
        first, second = await people.log_in("ann"), await people.log_in("ann")
        for answer, operation in (
            (first, lambda token: Update(type="Token", ids=[token], columns={"revoked": [1]})),
            (second, lambda token: Delete(type="Token", ids=[token])),
        ):
            token = (await people.of(answer)).token
            await people.room.commit(Commit(id=new_id(), operations=[operation(token)]))
            with pytest.raises(NotAuthenticated):
                await people.of(answer)

    with_people(places(), story)


def test_another_process_notices_a_revocation_with_its_next_request(places):
    async def story(people):
        other = Accounts(people.room)
        await people.user("ann")
        answer = await people.log_in("ann")
        header = f"Bearer {answer['access_token']}"
        identity = await other.identify(header)
        await people.accounts.logout(identity)
        with pytest.raises(NotAuthenticated):
            await other.identify(header)
        await other.close()

    with_people(places(), story)


def test_a_verified_token_is_looked_up_once(places):
    async def story(people):
        answer = await people.log_in_as_new()
        await people.of(answer)
        driver = people.room.opened.driver
        before = driver.statements
        await people.of(answer)
        assert driver.statements - before <= 1

    async def first(people):
        await people.user("ann")
        people.log_in_as_new = lambda: people.log_in("ann")
        await story(people)

    with_people(places(), first)


def test_users_list_and_end_their_own_tokens(places):
    async def story(people):
        await people.user("ann")
        await people.user("bob")
        first, second = await people.log_in("ann"), await people.log_in("ann")
        ann, bob = await people.of(second), await people.of(await people.log_in("bob"))
        gone = show_id((await people.of(first)).token)
        with pytest.raises(NotFound):
            await people.accounts.revoke(bob, gone)
        await people.accounts.revoke(ann, gone)
        listed = {each["id"]: each for each in await people.accounts.tokens(ann)}
        assert listed[gone]["revoked"]
        assert listed[show_id(ann.token)]["current"]
        assert all(each["created"] and each["user"] == "ann" for each in listed.values())
        with pytest.raises(NotAuthenticated):
            await people.of(first)
        for wrong in ("", "x", show_id(new_id()), "\0" * 36):
            with pytest.raises(NotFound):
                await people.accounts.revoke(ann, wrong)

    with_people(places(), story)


def test_when_a_token_was_used_is_written_down_without_a_commit(places):
    async def story(people):
        await people.user("ann")
        ann = await people.of(await people.log_in("ann"))
        key = await people.accounts.grant({"grant": "api_key", "name": "farm"}, client=HERE, identity=ann)
        revision = (await people.room.journal(0, 1000))[-1].header.revision
        for _ in range(5):
            await people.of(key)
        await people.accounts.write_uses()
        listed = {each["id"]: each for each in await people.accounts.tokens(ann)}
        assert listed[key["id"]]["used"]
        assert (await people.room.journal(0, 1000))[-1].header.revision == revision

    with_people(places(), story)


@pytest.mark.parametrize("scopes", [["read"], ["write"]])
def test_keys_for_less_than_everything_cannot_make_keys_or_passwords(places, scopes):
    async def story(people):
        await people.user("ann")
        ann = await people.of(await people.log_in("ann"))
        key = await people.accounts.grant(
            {"grant": "api_key", "name": "farm", "scopes": scopes}, client=HERE, identity=ann
        )
        farm = await people.of(key)
        assert farm.actor.scopes == tuple(scopes)
        with pytest.raises(PermissionDenied):
            await people.accounts.grant({"grant": "api_key", "name": "more"}, client=HERE, identity=farm)
        with pytest.raises(PermissionDenied):
            await people.accounts.set_password(farm, {"password": PASSWORD, "new_password": "x" * 20}, client=HERE)
        with pytest.raises(PermissionDenied):
            await people.accounts.reset(farm, "ann")
        await people.accounts.logout(farm)
        with pytest.raises(NotAuthenticated):
            await people.of(key)

    with_people(places(), story)


def test_an_api_key_ends_when_it_says(places):
    async def story(people):
        await people.user("ann")
        ann = await people.of(await people.log_in("ann"))
        request = {"grant": "api_key", "name": "farm", "expires_in": 0.2}
        key = await people.accounts.grant(request, client=HERE, identity=ann)
        await people.of(key)
        await asyncio.sleep(0.25)
        with pytest.raises(NotAuthenticated):
            await people.of(key)

    with_people(places(), story)


def test_a_key_makes_no_key_that_ends_later(places):
    async def story(people):
        await people.user("ann")
        ann = await people.of(await people.log_in("ann"))

        def made(identity, **more):
            return people.accounts.grant({"grant": "api_key", "name": "k", **more}, client=HERE, identity=identity)

        first = await made(ann, expires_in=600)
        farm = await people.of(first)
        assert (await made(farm))["expires"] == first["expires"]
        assert (await made(farm, expires_in=60))["expires"] < first["expires"]
        with pytest.raises(InvalidValue, match="no later"):
            await made(farm, expires_in=6000)

    with_people(places(), story)


def test_nobody_resets_their_own_password_without_the_right_to_change_users(places):
    async def story(people):
        await people.user("ann")
        ann = await people.of(await people.log_in("ann"))
        for name in ("ann", show_id(ann.actor.user)):
            with pytest.raises(PermissionDenied):
                await people.accounts.reset(ann, name)
        assert (await people.log_in("ann"))["user"] == "ann"

    with_people(places(), story)


def test_a_key_of_small_scope_ends_itself_and_no_other(places):
    async def story(people):
        await people.user("ann")
        ann = await people.of(await people.log_in("ann"))
        request = {"grant": "api_key", "name": "farm", "scopes": ["read"]}
        farm = await people.of(await people.accounts.grant(request, client=HERE, identity=ann))
        with pytest.raises(PermissionDenied):
            await people.accounts.revoke(farm, show_id(ann.token))
        await people.accounts.revoke(farm, show_id(farm.token))
        listed = {each["id"]: each["revoked"] for each in await people.accounts.tokens(ann)}
        assert listed[show_id(farm.token)]
        assert not listed[show_id(ann.token)]

    with_people(places(), story)


def test_a_key_is_kept_as_a_hash_only(places):
    async def story(people):
        await people.user("ann")
        ann = await people.of(await people.log_in("ann"))
        key = (await people.accounts.grant({"grant": "api_key", "name": "farm"}, client=HERE, identity=ann))["api_key"]

        def rows():
            from recordroom.store.plans import Fetch

            return (yield Fetch("SELECT entity, kind, lookup, data FROM rr_secret"))

        kept = repr(await people.room.driver.run(rows()))
        assert key not in kept
        assert PASSWORD not in kept
        assert key not in repr(await people.room.journal(0, 1000))

    with_people(places(), story)


BAD = [
    None,
    [],
    "password",
    {},
    {"grant": None},
    {"grant": "magic"},
    {"grant": ["password"]},
    {"grant": "password"},
    {"grant": "password", "user": "ann"},
    {"grant": "password", "user": 5, "password": "x"},
    {"grant": "password", "user": "ann", "password": {"$ne": ""}},
    {"grant": "password", "user": "ann", "password": "x" * 30_000},
    {"grant": "password", "user": "ann", "password": "hunter2", "admin": True},
    {"grant": "code", "code": b"bytes"},
    {"grant": "code", "code": ""},
    {"grant": "refresh_token", "refresh_token": True},
    {"grant": "id_token", "provider": "nobody", "id_token": "a.b.c"},
    {"grant": "id_token", "provider": "nobody"},
    {"grant": "access_token", "access_token": "x"},
]


@pytest.mark.parametrize("request_", BAD, ids=lambda each: repr(each)[:60])
def test_what_is_no_grant_is_refused_without_showing_secrets(places_sqlite, request_):
    async def story(people):
        with pytest.raises(InvalidValue) as caught:
            await people.accounts.grant(request_, client=HERE)
        assert "hunter2" not in f"{caught.value} {caught.value.facts}"

    with_people(places_sqlite(), story)


WRONG = [
    {"grant": "password", "user": "nobody", "password": "hunter2"},
    {"grant": "password", "user": "ann\0", "password": "hunter2"},
    {"grant": "password", "user": "\ud800", "password": "hunter2"},
    {"grant": "password", "user": "ann", "password": "\ud800"},
    {"grant": "password", "user": "ann", "password": "x" * 19_000},
    {"grant": "code", "code": "AAAA-AAAA-AAAA-AAAA-AAAA"},
    {"grant": "code", "code": "\ud800\0"},
    {"grant": "refresh_token", "refresh_token": "rrf_"},
    {"grant": "refresh_token", "refresh_token": "rrf_" + "A" * 86},
    {"grant": "refresh_token", "refresh_token": "\ud800"},
]


def test_what_proves_nothing_is_one_error(places):
    async def story(people):
        await people.user("ann")
        messages = set()
        for request in WRONG:
            with pytest.raises(NotAuthenticated) as caught:
                await people.accounts.grant(request, client=HERE)
            if request["grant"] == "password":
                messages.add(caught.value.message)
        assert len(messages) == 1

    with_people(places(), story)


@pytest.mark.parametrize(
    "more",
    [
        {"name": ""},
        {"name": "\0"},
        {"name": "\ud800"},
        {"name": "x" * 2000},
        {"scopes": ["everything"]},
        {"scopes": "read"},
        {"scopes": [5]},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": True},
        {"expires_in": float("nan")},
        {"expires_in": 1e300},
        {"expires": "yesterday"},
        {"expires": "2001-01-01T00:00:00Z"},
        {"expires": "2099-01-01T00:00:00"},
        {"expires": 5},
        {"expires": "2099-01-01T00:00:00Z", "expires_in": 5},
        {"user": 5},
        {"more": 5},
    ],
    ids=repr,
)
def test_wrong_requests_for_keys_are_refused(places_sqlite, more):
    async def story(people):
        with pytest.raises(InvalidValue):
            await people.accounts.grant({"grant": "api_key", "name": "farm"} | more, client=HERE, identity=people.admin)

    with_people(places_sqlite(), story)


def test_a_key_needs_somebody_who_makes_it(places_sqlite):
    async def story(people):
        with pytest.raises(NotAuthenticated):
            await people.accounts.grant({"grant": "api_key", "name": "farm"}, client=HERE)

    with_people(places_sqlite(), story)


HEADERS = [
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    "rrk_x",
    "Bearer rrk_",
    "Bearer rrk_" + "A" * 43,
    "Bearer rrk_é",
    "Bearer " + "x" * 5000,
    "Bearer ..",
    "Bearer a.b.c",
    "Bearer eyJhbGciOiJub25lIn0..",
    "Bearer " + "." * 4000,
    "Bearer rrf_" + "A" * 86,
]


def test_headers_that_name_nobody_are_one_error(places):
    async def story(people):
        for header in HEADERS:
            with pytest.raises(NotAuthenticated) as caught:
                await people.accounts.identify(header)
            assert type(caught.value) is NotAuthenticated

    with_people(places(), story)


def test_guessing_is_slowed_down_and_the_user_gets_in_from_where_they_are_known(places):
    async def story(people):
        await people.user("ann")
        await people.log_in("ann", client="198.51.100.7")
        refused = 0
        for at in range(45):
            try:
                await people.log_in("ann", "wrong", client=f"203.0.113.{at % 5}")
            except TooManyAttempts as error:
                refused += error.retry_after >= 1
            except NotAuthenticated:
                pass
        assert refused > 0
        assert (await people.log_in("ann", client="198.51.100.7"))["user"] == "ann"

    with_people(places(), story, AuthSettings())


def test_tokens_that_ended_long_ago_go(places):
    async def story(people):
        await people.user("ann")
        ann = await people.of(await people.log_in("ann"))
        await people.accounts.logout(ann)
        old = Update(type="Token", ids=[ann.token], columns={"revoked": [1]})
        await people.room.commit(Commit(id=new_id(), operations=[old]))
        people.accounts._tidied = 0
        again = await people.of(await people.log_in("ann"))
        listed = [as_id(each["id"]) for each in await people.accounts.tokens(again)]
        assert ann.token not in listed
        assert again.token in listed

    with_people(places(), story)
