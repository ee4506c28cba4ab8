"""Webhooks: signed, in order, once queued, again after failures, never to private addresses, by one worker at a time."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import recordroom as rr
from recordroom.errors import InvalidQuery, InvalidSignature, InvalidValue, NotFound, UnknownType
from recordroom.model.actor import Actor
from recordroom.model.ids import new_id, show_id
from recordroom.model.operations import Commit, Create, Delete, Publish, Update
from recordroom.model.signing import new_secret, sign
from recordroom.server import webhooks as module
from recordroom.server.posting import NotDelivered, Poster, check_url
from recordroom.server.webhooks import Webhooks, add_webhook, dead, listed, retry_dead
from recordroom.store.accounts import activate
from recordroom.store.async_room import AsyncRoom
from recordroom.store.deliveries import lease
from recordroom.store.past import prune_plan
from recordroom.store.requests import Requests, Write, now
from tests.conftest import Places
from tests.served import served
from tests.server.receiver import Receiver

POSTER = Poster(private=True, seconds=20)


@asynccontextmanager
async def opened(where: str) -> AsyncIterator[AsyncRoom]:
    """A room with accounts and the user ann, who is an administrator."""
    room = await AsyncRoom.open(where)
    try:
        requests = Requests(room.opened, room.actor)
        await room.write(requests.write(lambda catalogs: activate(catalogs, "owner", now())))
        role = await ids(room, 'Role where name is "administrator"')
        ann = new_id()
        await commit(room, Create(type="User", ids=[ann], columns={"name": ["ann"]}))
        from recordroom.model.operations import Link

        await commit(room, Link(type="User", attribute="roles", sources=[ann], targets=role))
        yield room
    finally:
        await room.close()


async def ids(room: AsyncRoom, text: str) -> list[bytes]:
    from recordroom.query.grammar import parse
    from recordroom.query.request import QueryRequest

    return (await room.query(QueryRequest(database="main", query=parse(text)))).ids


async def commit(room: AsyncRoom, *operations: Any) -> int:
    return (await room.commit(Commit(id=new_id(), operations=list(operations)))).revision


async def publish(room: AsyncRoom, *topics: str) -> None:
    for topic in topics:
        await commit(room, Publish(topic=topic))


def on_loop(where: str, work: Callable[[AsyncRoom], Awaitable[None]]) -> None:
    """Run a test on a room with accounts."""

    async def main() -> None:
        async with opened(where) as room:
            await work(room)

    asyncio.run(main())


async def rounds(webhooks: Webhooks, count: int = 1) -> None:
    """Rounds one after the other, with all deliveries that they set off."""
    for _ in range(count):
        await webhooks.look()
        await webhooks.settled()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are tried again at once."""
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.0)


def run(work: Callable[[AsyncRoom, Receiver], Awaitable[None]], places: Places, *answers: int) -> Receiver:
    """Run a test on a room with accounts, with a receiver."""
    with Receiver(*answers) as receiver:
        on_loop(places(), lambda room: work(room, receiver))
    return receiver


# --- what is delivered ----------------------------------------------------------------------------


def test_events_are_delivered_in_order_signed_and_once(places: Places) -> None:
    secrets: list[str] = []

    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        await publish(room, "render.before")
        secrets.append((await add_webhook(room, receiver.url, "topic=render.*", "ann")).secret)
        await publish(room, "render.one", "other", "render.two")
        webhooks = Webhooks(room, POSTER)
        await rounds(webhooks, 2)
        await publish(room, "render.three")
        await rounds(webhooks, 2)
        assert [each.waiting for each in await listed(room)] == [0]

    receiver = run(work, places)
    assert [each.topics for each in receiver.requests] == [["render.one"], ["render.two"], ["render.three"]]
    for each in receiver.requests:
        assert rr.verify_webhook(secrets[0], each.headers, each.body) == each.json
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 3


def test_a_query_is_delivered_with_what_changed(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        await add_webhook(room, receiver.url, 'Project where name is "p"', "ann")
        for name in ("p", "q"):
            await commit(room, Create(type="Project", ids=[new_id()], columns={"name": [name]}))
        await rounds(Webhooks(room, POSTER))

    receiver = run(work, places)
    (request,) = receiver.requests
    assert request.json["events"][0]["changes"][0]["after"] == {"name": "p"}


def test_a_failure_holds_back_what_follows_until_it_arrives(places: Places, impatient: None) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        await add_webhook(room, receiver.url, "t.*", "ann")
        await publish(room, "t.1", "t.2")
        await rounds(Webhooks(room, POSTER), 4)

    receiver = run(work, places, 500, 302, 404)
    assert [each.topics for each in receiver.requests] == [["t.1"], ["t.1"], ["t.1"], ["t.1"], ["t.2"]]
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 2


def test_after_a_failure_it_waits_longer_each_time(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        await add_webhook(room, receiver.url, "t.*", "ann")
        await publish(room, "t.1")
        webhooks = Webhooks(room, POSTER)
        await rounds(webhooks)
        assert 2 < await webhooks.look() <= 5

    receiver = run(work, places, 500)
    assert len(receiver.requests) == 1


def test_pauses_grow_to_an_hour_and_end_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "now", lambda: 0)
    dues = []
    while (due := module._due(len(dues))) is not None:
        dues.append(due / 1_000_000)

    assert 2.5 <= dues[0] <= 5
    assert all(1800 <= each <= 3600 for each in dues[10:])
    assert sum(dues) <= 86_400
    assert len(dues) > 20


def test_what_was_given_up_on_can_be_tried_again(
    places: Places, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_due", lambda attempts: None if attempts else 1)

    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        added = await add_webhook(room, receiver.url, "t.*", "ann")
        await publish(room, "t.1", "t.2")
        webhooks = Webhooks(room, POSTER)
        await rounds(webhooks, 3)
        (given_up,) = await dead(room)
        assert (given_up.webhook, given_up.attempts, given_up.error) == (added.id, 2, "the answer was 500")
        assert [(each.waiting, each.dead) for each in await listed(room)] == [(0, 1)]
        with pytest.raises(NotFound):
            await retry_dead(room, show_id(new_id()))
        assert await retry_dead(room, None, 2**80) == 0
        assert await retry_dead(room, show_id(added.id), given_up.revision) == 1
        await rounds(webhooks)
        assert await dead(room) == []

    receiver = run(work, places, 500, 500)
    assert [each.topics for each in receiver.requests] == [["t.1"], ["t.1"], ["t.2"], ["t.1"]]


def test_what_was_pruned_before_it_was_read_is_told(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        await add_webhook(room, receiver.url, "t.*", "ann")
        await publish(room, "t.1", "t.2")
        requests = Requests(room.opened, room.actor)
        await room.write(requests.write(lambda catalogs: prune_plan(catalogs.by_key, room.driver.dialect, 10**9)))
        await publish(room, "t.3")
        await rounds(Webhooks(room, POSTER))
        (given_up,) = await dead(room)
        assert "pruned" in given_up.error

    receiver = run(work, places)
    assert [each.topics for each in receiver.requests] == [["t.3"]]


def test_a_webhook_that_rests_or_whose_user_does_hears_nothing(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        added = await add_webhook(room, receiver.url, "t.*", "ann")
        webhooks = Webhooks(room, POSTER)
        for type_name, each in (("Webhook", added.id), ("User", (await ids(room, "User where name is ann"))[0])):
            await commit(room, Update(type=type_name, ids=[each], columns={"active": [False]}))
            await publish(room, "t.1")
            await rounds(webhooks)
            assert receiver.requests == []
            await commit(room, Update(type=type_name, ids=[each], columns={"active": [True]}))
        await rounds(webhooks)

    receiver = run(work, places)
    assert [each.topics for each in receiver.requests] == [["t.1"], ["t.1"]]


def test_a_deleted_webhook_leaves_nothing_behind(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        added = await add_webhook(room, receiver.url, "t.*", "ann")
        await publish(room, "t.1")
        webhooks = Webhooks(room, POSTER)
        receiver.answers = [500]
        await rounds(webhooks)
        await commit(room, Delete(type="Webhook", ids=[added.id]))
        await rounds(webhooks)
        for table in ("rr_delivery", "rr_secret WHERE kind = 'webhook'", "rr_follower WHERE name LIKE 'webhook%'"):
            assert await count(room, table) == 0, table

    run(work, places)


async def count(room: AsyncRoom, table: str) -> int:
    from recordroom.store.plans import Fetch

    def plan() -> Any:
        rows = yield Fetch(f"SELECT count(*) FROM {table}")
        return rows[0][0]

    found: int = await room.driver.run(plan())
    return found


def test_a_webhook_sees_with_the_eyes_of_its_user(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        guest = new_id()
        await commit(room, Create(type="User", ids=[guest], columns={"name": ["guest"]}))
        await add_webhook(room, receiver.url, "Project", "guest")
        await add_webhook(room, receiver.url, "Project", "ann")
        await commit(room, Create(type="Project", ids=[new_id()], columns={"name": ["p"]}))
        await rounds(Webhooks(room, POSTER))

    receiver = run(work, places)
    assert len(receiver.requests) == 1


# --- several workers ------------------------------------------------------------------------------


def test_two_workers_never_deliver_the_same(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        for _ in range(3):
            await add_webhook(room, receiver.url, "t.*", "ann")
        await publish(room, *(f"t.{number}" for number in range(10)))
        workers = [Webhooks(room, POSTER) for _ in range(3)]
        await asyncio.gather(*(rounds(each, 3) for each in workers))

    receiver = run(work, places)
    delivered = [each.headers["webhook-id"] for each in receiver.requests]
    assert len(delivered) == len(set(delivered)) == 30
    for hook in {each.json["webhook"] for each in receiver.requests}:
        topics = [each.topics[0] for each in receiver.requests if each.json["webhook"] == hook]
        assert topics == [f"t.{number}" for number in range(10)]


def test_a_lease_that_has_ended_is_taken_over(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        added = await add_webhook(room, receiver.url, "t.*", "ann")
        await publish(room, "t.1")
        receiver.answers = [500]
        webhooks = Webhooks(room, POSTER)
        await rounds(webhooks)
        dialect, moment = room.driver.dialect, now() + 10**8
        first = await room.write(Write(lambda: lease(dialect, added.id, "killed", moment, moment + 5)))
        again = await room.write(Write(lambda: lease(dialect, added.id, "other", moment + 4, moment + 9)))
        taken = await room.write(Write(lambda: lease(dialect, added.id, "other", moment + 5, moment + 9)))
        assert (first is None, again, taken) == (False, None, first)

    run(work, places)


def test_a_worker_runs_until_it_is_stopped(places: Places) -> None:
    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        stopping = asyncio.Event()
        running = asyncio.ensure_future(Webhooks(room, POSTER, stopping).run())
        await add_webhook(room, receiver.url, "t.*", "ann")
        await publish(room, "t.1")
        await asyncio.to_thread(receiver.until, 1)
        await publish(room, "t.2")
        await asyncio.to_thread(receiver.until, 2)
        stopping.set()
        await running

    receiver = run(work, places)
    assert [each.topics for each in receiver.requests] == [["t.1"], ["t.2"]]


_WORKER = """
import asyncio, sys
from recordroom.server.posting import Poster
from recordroom.server.webhooks import Webhooks
from recordroom.store.async_room import AsyncRoom

async def main():
    room = await AsyncRoom.open(sys.argv[1])
    stopping = asyncio.Event()
    running = asyncio.ensure_future(Webhooks(room, Poster(private=True), stopping).run())
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    stopping.set()
    await running
    await room.close()

asyncio.run(main())
"""


def test_two_processes_share_the_work_and_never_do_the_same(places_postgres: Places) -> None:
    where = places_postgres()

    async def work(room: AsyncRoom, receiver: Receiver) -> None:
        for _ in range(2):
            await add_webhook(room, receiver.url, "t.*", "ann")
        workers = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", _WORKER, where, stdin=PIPE, stdout=PIPE)
            for _ in range(2)
        ]
        try:
            for each in workers:
                assert each.stdout is not None
                assert await each.stdout.readline() == b"ready\n"
            await publish(room, *(f"t.{number}" for number in range(15)))
            await asyncio.to_thread(receiver.until, 30)
        finally:
            for each in workers:
                await each.communicate(b"")
        assert [(each.waiting, each.dead) for each in await listed(room)] == [(0, 0), (0, 0)]
        assert [each.returncode for each in workers] == [0, 0]

    receiver = run(work, places_postgres)
    delivered = [each.headers["webhook-id"] for each in receiver.requests]
    assert len(delivered) == len(set(delivered)) == 30
    for hook in {each.json["webhook"] for each in receiver.requests}:
        topics = [each.topics[0] for each in receiver.requests if each.json["webhook"] == hook]
        assert topics == [f"t.{number}" for number in range(15)]


# --- over HTTP ------------------------------------------------------------------------------------


def test_webhooks_are_managed_over_http(places: Places) -> None:
    async def nothing(room: AsyncRoom) -> None:
        pass

    on_loop(places(), nothing)
    with served(places()) as server:
        body = {"url": "https://example.org/", "expression": "t.*", "user": "ann"}
        made = server.request("POST", "/v1/webhooks", body)
        (found,) = server.request("GET", "/v1/webhooks").json()
        refused = server.request("POST", "/v1/webhooks", body | {"url": "x"})
        gone = server.request("GET", "/v1/webhooks/dead")
        again = server.request("POST", "/v1/webhooks/retry", {"webhook": made.json()["id"]})

    assert made.json()["secret"].startswith("whsec_")
    assert (found["id"], found["url"], found["user"], found["waiting"]) == (
        made.json()["id"],
        "https://example.org/",
        "ann",
        0,
    )
    assert (refused.status, gone.json(), again.json()) == (422, [], {"count": 0})


# --- making them ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expression", "user", "error"),
    [
        ("ftp://example.org", "*", "ann", InvalidValue),
        ("https://user:password@example.org", "*", "ann", InvalidValue),
        ("https://", "*", "ann", InvalidValue),
        ("http://example.org/a b", "*", "ann", InvalidValue),
        ("http://example.org:99999/", "*", "ann", InvalidValue),
        ("https://example.org/", "topic=", "ann", InvalidQuery),
        ("https://example.org/", "Tusk", "ann", UnknownType),
        ("https://example.org/", "*", "nobody", NotFound),
    ],
)
def test_a_wrong_webhook_is_refused(
    places: Places, url: str, expression: str, user: str, error: type[Exception]
) -> None:
    async def work(room: AsyncRoom) -> None:
        with pytest.raises(error):
            await add_webhook(room, url, expression, user)
        assert await listed(room) == []

    on_loop(places(), work)


def test_who_may_not_see_a_webhook_does_not_hear_of_it(places: Places) -> None:
    async def work(room: AsyncRoom) -> None:
        await add_webhook(room, "https://example.org/", "*", "ann")
        guest = new_id()
        await commit(room, Create(type="User", ids=[guest], columns={"name": ["guest"]}))
        seen = room.acting(Actor(name="guest", user=guest))
        assert await listed(seen) == []
        assert await dead(seen) == []
        assert await retry_dead(seen) == 0

    on_loop(places(), work)


# --- posting --------------------------------------------------------------------------------------


async def to(address: str) -> list[str]:
    return [address]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
        "2002:7f00:1::", "fe80::1%eth0", "fec0::1",
    ],
)  # fmt: skip
def test_private_addresses_are_refused(address: str) -> None:
    poster = Poster(resolve=lambda host, port: to(address))
    with pytest.raises(NotDelivered, match="private network"):
        asyncio.run(poster.post("https://example.org/", b"{}", {}))


def test_a_name_with_one_private_address_among_others_is_refused() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(NotDelivered, match="private network"):
        asyncio.run(Poster(resolve=both).post("https://example.org/", b"{}", {}))


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with Receiver() as receiver:
        url = receiver.url.replace("127.0.0.1", "somewhere.example")
        asyncio.run(Poster(private=True, resolve=resolve).post(url, b"{}", {}))

    assert asked == ["somewhere.example"]
    assert receiver.requests[0].headers["host"].startswith("somewhere.example:")


def test_somebody_who_never_answers_is_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(NotDelivered, match="no answer"):
            asyncio.run(Poster(private=True, seconds=0.1).post(url, b"{}", {}))


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000])
def test_somebody_who_answers_nonsense_is_told_so(answer: bytes) -> None:
    async def main() -> None:
        async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"{}")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(NotDelivered):
                await POSTER.post(f"http://127.0.0.1:{port}/", b"{}", {})

    asyncio.run(main())


def test_an_address_may_have_no_secrets_in_it() -> None:
    assert check_url("https://example.org/x?y=1").hostname == "example.org"
    with pytest.raises(InvalidValue):
        check_url("https://a:b@example.org/")


# --- the check ------------------------------------------------------------------------------------


def signed(secret: str, body: bytes, stamp: int = 1000) -> dict[str, str]:
    return {
        "Webhook-Id": "a.1",
        "Webhook-Timestamp": str(stamp),
        "Webhook-Signature": f"v1,old {sign(secret, 'a.1', stamp, body)}",
    }


def test_a_right_signature_gives_the_body() -> None:
    secret = new_secret()

    assert rr.verify_webhook(secret, signed(secret, b'{"a":1}'), b'{"a":1}', now=1010) == {"a": 1}


def test_the_signature_is_that_of_the_standard() -> None:
    # The example of https://github.com/standard-webhooks/standard-webhooks, libraries/python.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    found = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("wrong", ["body", "secret", "id", "stamp", "old", "future", "missing", "format"])
def test_anything_else_is_refused(wrong: str) -> None:
    secret, body = new_secret(), b'{"a":1}'
    headers, moment = signed(secret, body), 1010.0
    match wrong:
        case "body":
            body = b'{"a":2}'
        case "secret":
            secret = new_secret()
        case "id":
            headers["Webhook-Id"] = "a.2"
        case "stamp":
            headers["Webhook-Timestamp"] = "1001"
        case "old":
            moment = 1301.0
        case "future":
            moment = 600.0
        case "missing":
            del headers["Webhook-Signature"]
        case "format":
            headers["Webhook-Timestamp"] = "soon"

    with pytest.raises(InvalidSignature):
        rr.verify_webhook(secret, headers, body, now=moment)
