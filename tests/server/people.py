"""Accounts on a room, in one process: what tests of logging in share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from recordroom.model.ids import new_id
from recordroom.model.operations import Commit, Create, Link
from recordroom.query.grammar import parse
from recordroom.query.request import QueryRequest
from recordroom.server.auth.accounts import Accounts
from recordroom.server.auth.identity import Identity
from recordroom.server.auth.settings import AuthSettings
from recordroom.store.async_room import AsyncRoom

PASSWORD = "correct horse battery staple"
HERE = "192.0.2.1"


class People:
    """A room with an administrator who is logged in; `ann` is an editor with a password."""

    def __init__(self, room: AsyncRoom, accounts: Accounts) -> None:
        self.room = room
        self.accounts = accounts
        self.admin: Identity
        self.code = ""

    async def begin(self) -> None:
        self.code = await self.accounts.first_run() or ""
        answer = await self.accounts.grant({"grant": "code", "code": self.code}, client=HERE)
        self.admin = await self.of(answer)

    async def of(self, answer: dict[str, Any]) -> Identity:
        return await self.accounts.identify(f"Bearer {answer.get('api_key') or answer['access_token']}")

    async def user(self, name: str, *roles: str) -> bytes:
        """A new user with a password."""
        user = new_id()
        given = [await self.id("Role", role) for role in roles]
        operations: list[Any] = [Create(type="User", ids=[user], columns={"name": [name], "active": [True]})]
        if given:
            operations.append(Link(type="User", attribute="roles", sources=[user] * len(given), targets=given))
        await self.room.commit(Commit(id=new_id(), operations=operations))
        reset = await self.accounts.reset(self.admin, name)
        await self.accounts.grant({"grant": "code", "code": reset["code"], "new_password": PASSWORD}, client=HERE)
        return user

    async def id(self, type_name: str, name: str) -> bytes:
        request = QueryRequest(
            database="main", query=parse(f"{type_name} where name is $name"), parameters={"name": name}
        )
        return (await self.room.query(request)).ids[0]

    async def log_in(self, name: str, password: str = PASSWORD, client: str = HERE) -> dict[str, Any]:
        return await self.accounts.grant({"grant": "password", "user": name, "password": password}, client=client)


def with_people(where: str, story: Callable[[People], Awaitable[None]], settings: AuthSettings | None = None) -> None:
    """Run a story with accounts on the room at `where`."""

    async def run() -> None:
        room = await AsyncRoom.open(where)
        accounts = Accounts(room, settings)
        try:
            people = People(room, accounts)
            await people.begin()
            await story(people)
        finally:
            await accounts.close()
            await room.close()

    asyncio.run(run())
