"""A small room with every kind of attribute and relation in it, for the fuzzers to start from."""

from __future__ import annotations

import json

from recordroom.model.operations import (
    ChangeAttribute,
    ChangeType,
    Commit,
    Create,
    DefineAttribute,
    DefineType,
    Delete,
    DropAttribute,
    DropKeys,
    DropType,
    Link,
    Operation,
    Publish,
    RenameAttribute,
    RenameType,
    SetKeys,
    Unlink,
    Update,
)
from recordroom.model.schema import Attribute, EntityType

TYPES = (
    EntityType(
        name="Project",
        attributes=(
            Attribute(name="name", kind="text", required=True, unique=True, max_length=40),
            Attribute(name="code", kind="text", immutable=True, pattern="[a-z]+"),
        ),
    ),
    EntityType(
        name="Task",
        attributes=(
            Attribute(name="name", kind="text", required=True),
            Attribute(name="note", kind="long_text"),
            Attribute(name="bid", kind="integer", min=0, max=1000, default=3),
            Attribute(name="hours", kind="number"),
            Attribute(name="price", kind="decimal"),
            Attribute(name="done", kind="boolean"),
            Attribute(name="day", kind="date"),
            Attribute(name="due", kind="datetime"),
            Attribute(name="status", kind="choice", choices=("open", "in progress", "done")),
            Attribute(name="extra", kind="json"),
            Attribute(name="key", kind="uuid"),
            Attribute(name="page", kind="hyperlink"),
            Attribute(name="color", kind="color"),
            Attribute(name="labels", kind="text", multi=True),
            Attribute(name="sizes", kind="number", multi=True),
            Attribute(name="double", kind="number", computed="hours * 2"),
            Attribute(name="project", kind="reference", target="Project", reverse="tasks", on_delete="cascade"),
            Attribute(name="parent", kind="reference", target="Task", reverse="children", on_delete="restrict"),
            Attribute(name="friends", kind="links", target="Project", reverse="liked", notes=True),
            Attribute(name="metadata", kind="mapping", of="text"),
        ),
        unique=(("project", "name"),),
    ),
    EntityType(name="Shot", extends="Task", attributes=(Attribute(name="frames", kind="integer"),)),
)


def some_id(number: int) -> bytes:
    return b"\x01\x89\x0a\x5d\xac\x96\x77\x4b" + number.to_bytes(8, "big")


PROJECTS = [some_id(i) for i in range(3)]
TASKS = [some_id(100 + i) for i in range(6)]
SHOTS = [some_id(200 + i) for i in range(4)]
FRESH = [some_id(300 + i) for i in range(4)]


def tasks(ids: list[bytes], prefix: str) -> dict[str, list[object]]:
    """Columns for tasks: every other value is missing."""
    count = len(ids)
    values: dict[str, object] = {
        "note": "a long note about steel",
        "bid": 7,
        "hours": 1.5,
        "price": "19.99",
        "done": True,
        "day": 20_000,
        "due": 1_700_000_000_000_000,
        "status": "open",
        "extra": '{"a":[1,2]}',
        "key": some_id(999),
        "page": "https://example.org/a",
        "color": "#1e90ff",
        "labels": '["x","y"]',
        "sizes": "[1.5,2.0]",
        "project": PROJECTS[0],
    }
    columns: dict[str, list[object]] = {"name": [f"{prefix} {i}" for i in range(count)]}
    for name, value in values.items():
        columns[name] = [value if i % 2 == 0 else None for i in range(count)]
    return columns


def filling() -> list[Commit]:
    """The commits that make the room."""
    parents: list[object] = [None, TASKS[0], TASKS[0], None]
    data: list[Operation] = [
        Create(
            type="Project",
            ids=PROJECTS,
            columns={"name": ["Big Buck Bunny", "Ice", "Ünïcode ☃"], "code": ["bbb", "ice", None]},
        ),
        Create(type="Task", ids=TASKS, columns=tasks(TASKS, "task")),
        Create(type="Shot", ids=SHOTS, columns={**tasks(SHOTS, "shot"), "frames": [1, 2, 3, None], "parent": parents}),
        Link(
            type="Task",
            attribute="friends",
            sources=[TASKS[0], TASKS[1], SHOTS[0]],
            targets=[PROJECTS[1], PROJECTS[2], PROJECTS[1]],
            notes=["best", None, ""],
        ),
        SetKeys(type="Task", attribute="metadata", ids=TASKS[:2], keys=["camera", "lens"], values=["A", "50mm"]),
    ]
    return [
        Commit(id=some_id(1001), operations=[DefineType(each) for each in TYPES]),
        Commit(id=some_id(1002), operations=data),
    ]


def sound_commits() -> list[Commit]:
    """Commits that the filled room takes, each by itself: what the fuzzer of the wire starts from."""
    new = {"name": ["new 0", "new 1"], "bid": [1, None]}
    bodies: list[list[Operation]] = [
        [Create(type="Task", ids=FRESH[:2], columns=tasks(FRESH[:2], "new"))],
        [Create(type="Shot", ids=FRESH[:1], columns={"name": ["s"], "frames": [4], "parent": [SHOTS[0]]})],
        [Create(type="Project", ids=FRESH[:2], columns={"name": ["P", "Q"], "code": ["p", None]})],
        [Update(type="Task", ids=TASKS[:3], columns={"note": ["a", "b", None], "bid": [1, 2, 3]}, base=[2, 2, 2])],
        [Update(type="Shot", ids=SHOTS[:2], columns={"frames": [9, None]}, base=[0, 2])],
        [Delete(type="Task", ids=[TASKS[5]], base=[2]), Delete(type="Shot", ids=[SHOTS[3]])],
        [Delete(type="Project", ids=[PROJECTS[2]])],
        [Link(type="Task", attribute="friends", sources=TASKS[2:4], targets=PROJECTS[:2], notes=["n", None])],
        [Unlink(type="Task", attribute="friends", sources=[TASKS[0]], targets=[PROJECTS[1]])],
        [SetKeys(type="Task", attribute="metadata", ids=TASKS[:2], keys=["k", "l"], values=["v", "w"])],
        [DropKeys(type="Task", attribute="metadata", ids=[TASKS[0]], keys=["camera"])],
        [Publish(topic="render.done", data={"frames": [1, 2]}, target="farm")],
        [DefineType(EntityType(name="Note", attributes=(Attribute(name="text", kind="text"),)))],
        [DefineAttribute(type="Project", attribute=Attribute(name="budget", kind="integer", default=5))],
        [ChangeType(definition=EntityType(name="Project", label="Production", plural="Productions"))],
        [ChangeAttribute(type="Task", attribute=Attribute(name="bid", kind="number"))],
        [RenameAttribute(type="Task", name="note", to="remark"), RenameType(name="Shot", to="Take")],
        [DropAttribute(type="Task", name="color")],
        [DropType(name="Shot")],
        [
            Create(type="Task", ids=FRESH[:2], columns=new),
            Update(type="Task", ids=TASKS[:1], columns={"parent": [FRESH[0]]}, base=[2]),
            Link(type="Task", attribute="friends", sources=[FRESH[0]], targets=[PROJECTS[0]]),
        ],
    ]
    return [
        Commit(id=some_id(2000 + i), operations=body, notes="n" if i % 2 else None, on_error=ON_ERROR[i % 3 == 0])
        for i, body in enumerate(bodies)
    ]


ON_ERROR = {False: "stop", True: "continue"}

QUERIES = (
    "Task",
    "select name, project.name from Task",
    "select name as n, bid * 2 as twice, upper(name) from Task where bid > 5 order by name desc, bid limit 10 offset 2",
    'Task where project.name is "Big Buck Bunny" and bid > 5',
    "Task where status is open or status in (done, `status`) and not done is True",
    'Task where name like "ta%k\\_1" and note contains "steel" or name starts_with t and name ends_with \'1\'',
    "Task where bid between 1 and 10 and hours not between 0.5 and 2e3",
    "Task where friends any (name is Ice and code is_not None) or children any ()",
    "Task where project has (name like 'b%') and parent has ()",
    "Task where project in (select id from Project where name is Ice) and bid not_in (1, 2, 3)",
    "Task where project in (Project where tasks any (bid > 2) limit 3)",
    "Task where due after 2020-01-01T10:00:00Z and day before 2030-12-31",
    "Task where id is 01890a5d-ac96-774b-0000-000000000064",
    "Task where metadata['camera'] is A and friends.name is Ice",
    "Task where note matches 'steel ste*' or (bid + 3) * 2 - -1 / 4 >= `hours`",
    "Task where price > 19.98 and color is '#1e90ff' and labels contains x and sizes > 1",
    "Shot where frames is None or entity_type is Shot",
    "select project.name, count() as n, sum(bid), avg(hours), min(day), max(due) from Task group by project.name",
    'select count(*) from Task where lower(name) is "task 1" and length(name) > 2 and year(due) = 2023',
    "Task where created_at > 2020-01-01 and modified_by is owner order by created_at asc",
    "select name, coalesce(note, 'none'), concat(name, '-', status), round(hours, 1), abs(bid) from Task",
    "Project where tasks.bid > 3 and tasks.children.name is_not None order by name",
    "Task where bid = $least and name in $names",
    "Task where density > 2.7 g/cm^3 or hours <> 3 or hours != 4 or hours <= 5 or done == false",
)

NASTY_TEXTS = (
    "", " ", "\0", "\ud800", "\U0001f600", "'", '"', "`", "\\", "%", "_", "--", "/*", ";", "\n", "\u202e", "ß" * 50,
    "'; DROP TABLE \"main.Task\"; --", '" OR 1=1 --', "$1", "?", "%s", "{0}", "null", "None", "NaN", "1e999",
    "9" * 40, "-" * 30, "(" * 60, ")" * 60, "x" * 5000, "../../etc/passwd", "id", "rr_room", "main.Task~past",
)  # fmt: skip
NASTY_VALUES: tuple[object, ...] = (
    *(text for text in NASTY_TEXTS if text != "\ud800"),
    None, True, False, 0, -1, 1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 0.0, -0.0, 1e308, float("nan"), float("inf"),
    b"", b"\0" * 16, b"x" * 15, b"y" * 17, some_id(100), some_id(5), some_id(0), [], [None], [[]], {}, {"": None},
    {"op": "Create"}, [1, "a"], json.dumps({"a": 1}), "[1,2]", "2020-01-01", "Task", "Project", "name", "friends",
)  # fmt: skip
