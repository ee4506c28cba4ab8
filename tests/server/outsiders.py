"""A served production with two projects, and people who try what is not theirs.

`bob` works on the project that is a secret, `mallory` on another, `gus` is a guest; `looker` is mallory's key for reading only.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.conftest import Places
from tests.dialects.ftrack.hubs import Stage, stage
from tests.server.test_files import files_folder, make_room

__all__ = ["PEOPLE", "SECRET", "Yard", "new", "yard_at", "yards"]

SECRET = "Sesame"
PEOPLE = ("mallory", "gus", "looker")


def new() -> str:
    """An id that nothing has."""
    return str(uuid.uuid4())


class Yard:
    """The server, and what everybody can ask of it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.session, self.server = stage, stage.session, stage.server
        session = self.session
        self.secret = session.create("Project", {"name": SECRET, "full_name": SECRET})
        self.open = session.create("Project", {"name": "Open", "full_name": "Open"})
        self.shot = session.create("Shot", {"name": f"{SECRET} shot", "parent": self.secret})
        self.users = {"administrator": session.query("User where name is administrator").one()}
        for name, role, project in (
            ("bob", "contributor", self.secret), ("mallory", "contributor", self.open), ("gus", "guest", None),
        ):  # fmt: skip
            user = self.users[name] = session.create("User", {"name": name, "active": True})
            user["roles"].append(session.query("Role where name is $role", role=role).one())
            if project is not None:
                session.create("ProjectMember", {"project": project, "user": user})
        session.commit()
        self.names = {"administrator": "administrator", "looker": "mallory"}
        self.keys = {"administrator": stage.key}
        for name in ("bob", "mallory", "gus"):
            self.keys[name], self.names[name] = stage.new_key(name)[0], name
        asked = {"grant": "api_key", "name": "looking", "user": "mallory", "scopes": ["read"]}
        self.keys["looker"] = json.loads(self.server.request("POST", "/v1/tokens", asked).data)["api_key"]

    def ask(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """One request with somebody's key."""
        return self.server.request(method, path, body, Authorization=f"Bearer {self.keys[who]}", **headers)

    def plain(self, method: str, path: str, body: Any = None, **headers: str) -> urllib3.BaseHTTPResponse:
        """One request without a key."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return urllib3.request(
            method, self.server.url + path, body=body, headers=given, retries=False, redirect=False, timeout=30
        )

    def commit(self, who: str, *operations: dict[str, Any]) -> urllib3.BaseHTTPResponse:
        """A commit over HTTP."""
        return self.ask(who, "POST", "/v1/commit", {"id": new(), "operations": list(operations)})

    def make(self, who: str, type_name: str, entity: str, **values: Any) -> urllib3.BaseHTTPResponse:
        """Create one entity."""
        columns = {name: [value] for name, value in values.items()}
        return self.commit(who, {"op": "Create", "type": type_name, "ids": [entity], "columns": columns})

    def component(self, who: str = "administrator", data: bytes = b"the secret bytes") -> str:
        """A component of somebody, with bytes."""
        component = new()
        assert self.make(who, "FileComponent", component, name="c").status == 200
        assert self.ask(who, "PUT", f"/v1/files/{component}", data).status == 200
        return component

    def api(self, who: str, *operations: dict[str, Any]) -> Any:
        """What /api answers."""
        body = json.dumps(operations).encode()
        headers = {"ftrack-user": self.names[who], "ftrack-api-key": self.keys[who], "content-type": "application/json"}
        answer = urllib3.request(
            "POST", f"{self.server.url}/api", body=body, headers=headers, retries=False, timeout=60
        )
        return json.loads(answer.data)

    def refused(self, who: str, **operation: Any) -> str:
        """The name of the error that an operation at /api ends with; never one that says the server failed."""
        answer = self.api(who, operation)
        assert isinstance(answer, dict), answer
        assert answer["exception"] != "ServerError", operation
        return str(answer["exception"])


def yards(request: pytest.FixtureRequest, folder: Path) -> Iterator[Yard]:
    """For fixtures with the parameters DATABASES: a yard on that database."""
    places = Places(folder, request.getfixturevalue("postgres_url") if request.param == "postgresql" else "")
    where = places("yard")
    make_room(where, files_folder(where, folder), ())
    with yard_at(where) as found:
        yield found
    places.clean()


@contextlib.contextmanager
def yard_at(where: str, **settings: Any) -> Iterator[Yard]:
    """A yard at `where`."""
    with stage(where, **settings) as found:
        yield Yard(found)
