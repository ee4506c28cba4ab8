"""A small studio to look at: a project with shots and tasks, some of them assigned."""

from __future__ import annotations

import datetime as dt
from typing import Any

import recordroom as rr


def furnish(session: rr.Session) -> dict[str, Any]:
    """Apply the template and make what the pages show; the entities by name."""
    session.apply_template("production")
    statuses = {each["name"]: each for each in session.query("Status")}
    types = {each["name"]: each for each in session.query("Type")}
    ada = session.create("User", {"name": "ada", "full_name": "Ada Lovelace", "email": "ada@example.org"})
    film = session.create("Project", {"name": "bbb", "full_name": "Big Buck Bunny"})
    ice = session.create("Project", {"name": "ice", "full_name": "Ice"})
    sequence = session.create("Sequence", {"name": "sq010", "parent": film})
    found: dict[str, Any] = {"ada": ada, "bbb": film, "ice": ice, "sq010": sequence}
    work = [("Animation", "In progress"), ("Lighting", "Not started"), ("Compositing", "Approved")]
    for number in range(1, 4):
        shot = session.create("Shot", {"name": f"sh{number:03}0", "parent": sequence})
        found[shot["name"]] = shot
        for kind, status in work:
            due = dt.datetime(2020 + number * 5, 3, number, tzinfo=dt.UTC)
            values = {"type": types[kind], "status": statuses[status], "bid": 28_800 * number, "end_date": due}
            task = session.create("Task", {"name": f"{kind.lower()} {number}", "parent": shot, **values})
            found[task["name"]] = task
            session.create("Appointment", {"context": task, "user": ada, "type": "assignment"})
    nasty = found["animation 1"]
    nasty["description"] = 'Make it <b>move</b>\n& "stay"'
    nasty["metadata"]["camera"] = "<i>A</i>"
    session.create(
        "Note", {"content": "Mind <script>document.title = 'taken'</script> the ears", "author": ada, "context": nasty}
    )
    session.commit()
    return found
