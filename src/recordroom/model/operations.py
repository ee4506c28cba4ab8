"""Operations: the changes that a commit is made of, as columns of raw scalars.

One struct serves five readers: the unit of work records it, the wire carries it, the engine applies
it, the journal stores it, followers read it. `Create`, `Update` and `Delete` are *blocks*: many
entities of one type, one list per attribute, all of one length.

Fields named `before…` are filled by the engine and stand in the journal only: what an operation
replaced, so that history, revert and `at` need nothing else.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from .schema import Attribute, EntityType

__all__ = [
    "ChangeAttribute",
    "ChangeType",
    "Clash",
    "Commit",
    "CommitResult",
    "Create",
    "DefineAttribute",
    "DefineType",
    "Delete",
    "DropAttribute",
    "DropKeys",
    "DropType",
    "Link",
    "Operation",
    "Publish",
    "Refusal",
    "RenameAttribute",
    "RenameType",
    "SetKeys",
    "Unlink",
    "Update",
]

Columns = dict[str, list[Any]]


class _Operation(msgspec.Struct, tag=True, tag_field="op", omit_defaults=True, forbid_unknown_fields=True):
    pass


class Create(_Operation):
    """New entities of exactly this type. An attribute that is not in `columns` gets its default.

    In the journal `columns` also has what the room gave.
    """

    type: str
    ids: list[bytes]
    columns: Columns = {}
    first_number: int = 0  # filled by the engine: entity i has number first_number + i


class Update(_Operation):
    """New values for the same attributes of many entities (`type` may be any of their types' ancestors).

    `base[i]` is the revision that the change to entity i was made on; 0 means "whatever is there".
    """

    type: str
    ids: list[bytes]
    columns: Columns
    base: list[int] = []
    before: Columns = {}
    before_revision: list[int] = []


class Delete(_Operation):
    """Entities that go, with their links and entries of mappings; `base` as in Update.

    In the journal `before` has every stored attribute, and `cascaded` says that a reference with
    on_delete="cascade" caused it.
    """

    type: str
    ids: list[bytes]
    base: list[int] = []
    before: Columns = {}
    before_revision: list[int] = []
    cascaded: bool = False


class Link(_Operation):
    """Pairs added to a links attribute; a pair that is there already gets the new note."""

    type: str
    attribute: str
    sources: list[bytes]
    targets: list[bytes]
    notes: list[str | None] = []
    before_notes: list[str | None] = []
    before_revision: list[int] = []  # 0: the pair was not there


class Unlink(_Operation):
    """Pairs removed from a links attribute; a pair that is not there is left alone."""

    type: str
    attribute: str
    sources: list[bytes]
    targets: list[bytes]
    before_notes: list[str | None] = []
    before_revision: list[int] = []


class SetKeys(_Operation):
    """Values set in a mapping attribute: entity i gets `values[i]` under `keys[i]`."""

    type: str
    attribute: str
    ids: list[bytes]
    keys: list[str]
    values: list[Any]
    before: list[Any] = []
    before_revision: list[int] = []  # 0: the key was not there


class DropKeys(_Operation):
    """Keys removed from a mapping attribute; one that is not there is left alone."""

    type: str
    attribute: str
    ids: list[bytes]
    keys: list[str]
    before: list[Any] = []
    before_revision: list[int] = []


class Publish(_Operation):
    """An event of the user's own, delivered like changes are.

    `target` says who it is for, `source` who can be answered, `reply_to` which event it answers (`model.events`).
    `origin` is what the clients of a dialect know of it beyond that.
    """

    topic: str
    data: Any = None
    target: str = ""
    source: str = ""
    reply_to: str = ""
    origin: dict[str, Any] = {}


class DefineType(_Operation):
    """A new entity type with its attributes."""

    definition: EntityType


class ChangeType(_Operation):
    """Everything of a type but its attributes and name: labels, unique sets, extends of an empty type …"""

    definition: EntityType  # its `attributes` are ignored
    before: EntityType | None = None


class RenameType(_Operation):
    """The type keeps everything but its name; what names it follows."""

    name: str
    to: str


class DropType(_Operation):
    """Drops the type and every entity of it."""

    name: str
    before: EntityType | None = None


class DefineAttribute(_Operation):
    """A new attribute; entities that are there get its default."""

    type: str
    attribute: Attribute


class ChangeAttribute(_Operation):
    """The attribute of the same name becomes this; values are converted or the change is refused."""

    type: str
    attribute: Attribute
    before: Attribute | None = None


class RenameAttribute(_Operation):
    """The attribute keeps everything but its name; what names it follows."""

    type: str
    name: str
    to: str


class DropAttribute(_Operation):
    """Drops the attribute and its values."""

    type: str
    name: str
    before: Attribute | None = None


Operation = (
    Create
    | Update
    | Delete
    | Link
    | Unlink
    | SetKeys
    | DropKeys
    | Publish
    | DefineType
    | ChangeType
    | RenameType
    | DropType
    | DefineAttribute
    | ChangeAttribute
    | RenameAttribute
    | DropAttribute
)

SCHEMA_OPERATIONS = (
    DefineType,
    ChangeType,
    RenameType,
    DropType,
    DefineAttribute,
    ChangeAttribute,
    RenameAttribute,
    DropAttribute,
)


class Commit(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a session sends. `id` is made by the client; the same id from the same actor applies once."""

    id: bytes
    database: str = "main"
    operations: list[Operation] = []
    notes: str | None = None
    on_conflict: Literal["merge", "fail", "mine"] = "merge"
    on_error: Literal["stop", "continue"] = "stop"


class Clash(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attribute of one entity that others changed since it was read, in a `Conflict`: raw scalars.

    `base` is the value when it was read, `revision` the entity's revision now.
    """

    type: str
    entity: bytes
    attribute: str
    base: Any = None
    mine: Any = None
    theirs: Any = None
    revision: int = 0


class Refusal(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Why one entity was left out of a commit with on_error="continue"."""

    type: str
    entity: bytes
    code: str  # of the error class
    message: str
    facts: dict[str, Any] = {}


class CommitResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What came of a commit. `numbers[k]` is the first number given to the k-th Create block (0: none were made).

    `given[k]` has what the room gave to entities of that block that left it without a value: whole columns, or
    one value where all entities have the same. [] where it gave nothing; an attribute that is not in it may have been
    given a value that this actor does not see.
    `stale` lists (type, id) of entities where changes by others were merged with these, or where the
    engine changed more than was asked (nullified references, cascades): what a client holds of them
    is old. `repeated` is true when this commit had been applied before and this is its first result.
    """

    revision: int
    time: int  # microseconds since 1970, UTC
    numbers: list[int] = []
    given: list[Columns] = []
    stale: list[tuple[str, bytes]] = []
    deleted: list[tuple[str, bytes]] = []  # by cascade
    refused: list[Refusal] = []
    repeated: bool = False
