"""`recordroom serve --dialect ftrack` as a process, and the unmodified client at work with it."""

from __future__ import annotations

from pathlib import Path

from tests.dialects.ftrack.conftest import ftrack_api

from .test_serve import serving


def test_a_studio_connects_to_a_room_that_was_just_made(tmp_path: Path) -> None:
    room = str(tmp_path / "studio.room")
    with serving(tmp_path, room, "--template", "production", "--dialect", "ftrack") as server:
        key = server.api_key()
        given = {"auto_connect_event_hub": False, "schema_cache_path": False, "plugin_paths": []}
        session = ftrack_api.Session(server.url, key, "administrator", **given)
        project = session.create("Project", {"name": "film", "full_name": "Film"})
        shots = [session.create("Shot", {"name": f"{n:03d}", "parent": project}) for n in range(3)]
        session.commit()

        assert session.query('Shot where project.name is "film"').all() == shots
        assert session.query("ProjectSchema").first()
        session.close()
        assert key not in server.log
