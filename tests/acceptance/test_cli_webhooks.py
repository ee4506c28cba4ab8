"""`recordroom webhook`: made with a secret that is shown once, listed, and tried again."""

from __future__ import annotations

import asyncio

import pytest

from recordroom.model.ids import as_id, new_id, show_id
from recordroom.model.operations import Commit, Create
from recordroom.store.accounts import activate
from recordroom.store.async_room import AsyncRoom
from recordroom.store.deliveries import bury
from recordroom.store.requests import Requests, Write, now
from tests.acceptance.conftest import Cli


async def _with_accounts(where: str) -> None:
    room = await AsyncRoom.open(where)
    requests = Requests(room.opened, room.actor)
    await room.write(requests.write(lambda catalogs: activate(catalogs, "owner", now())))
    ann = Create(type="User", ids=[new_id()], columns={"name": ["ann"]})
    await room.commit(Commit(id=new_id(), operations=[ann]))
    await room.close()


async def _bury(where: str, webhook: str) -> None:
    room = await AsyncRoom.open(where)
    await room.write(Write(lambda: bury(room.driver.dialect, as_id(webhook), 7, "the answer was 500", now())))
    await room.close()


@pytest.fixture
def accounts(room: str) -> str:
    """A room with accounts, and the user ann."""
    asyncio.run(_with_accounts(room))
    return room


def test_a_webhook_is_made_and_listed(cli: Cli, accounts: str) -> None:
    made = cli("webhook", "add", accounts, "https://example.org/hook", "--expression", "t.*", "--user", "ann", "--json")
    listed = cli("webhook", "list", accounts, "--json")

    assert made.code == 0, made.err
    assert made.json["secret"].startswith("whsec_")
    assert listed.json == [
        {
            "id": made.json["id"], "url": "https://example.org/hook", "expression": "t.*", "user": "ann", "active": True,
            "waiting": 0, "dead": 0,
        }
    ]  # fmt: skip
    assert "whsec_" not in cli("webhook", "list", accounts).out
    assert "whsec_" not in cli("query", accounts, "Webhook", "--json").out


def test_what_was_given_up_on_is_listed_and_tried_again(cli: Cli, accounts: str) -> None:
    made = cli("webhook", "add", accounts, "https://example.org/hook", "--user", "ann", "--json").json["id"]
    asyncio.run(_bury(accounts, made))
    dead = cli("webhook", "dead", accounts, "--json")
    table = cli("webhook", "dead", accounts)
    retried = cli("webhook", "retry", accounts, "--webhook", made)

    assert dead.json == [{"webhook": made, "revision": 7, "attempts": 0, "error": "the answer was 500"}]
    assert "the answer was 500" in table.out
    assert retried.out == "1 delivery will be tried again\n"
    assert cli("webhook", "dead", accounts, "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "ftp://example.org", "--user", "ann"), "expected an address"),
        (("add", "https://example.org", "--user", "nobody"), "no user 'nobody'"),
        (("add", "https://example.org", "--user", "ann", "--expression", "topic="), "Line 1, column 7"),
        (("retry", "--webhook", "x"), "expected an id"),
        (("retry", "--webhook", show_id(bytes(16))), "There is no Webhook"),
    ],
)
def test_what_is_wrong_is_one_line(cli: Cli, accounts: str, arguments: tuple[str, ...], message: str) -> None:
    outcome = cli("webhook", *arguments, "--room", accounts)

    assert outcome.code == 1
    assert message in outcome.err
    assert outcome.err.count("\n") == 1
