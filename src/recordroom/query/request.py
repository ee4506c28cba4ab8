"""What a session asks a room and what it gets back: requests and pages of columns of raw scalars.

Ids are 16 bytes, datetimes integers of microseconds, dates integers of days, json and multi-valued
attributes JSON text (`model.kinds`). The same structs travel as msgpack or JSON where they travel.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..model.operations import Commit, Operation
from ..model.schema import EntityType
from .syntax import Query

__all__ = [
    "AccessAnswer",
    "AccessRequest",
    "Change",
    "DatabaseInfo",
    "Fresh",
    "FreshRequest",
    "Header",
    "HistoryRequest",
    "Hit",
    "JournalEntry",
    "Members",
    "MembersRequest",
    "Page",
    "PreviewRequest",
    "QueryRequest",
    "RevertRequest",
    "SchemaEffect",
    "SchemaReply",
    "SearchRequest",
]


class QueryRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask for one page of a query.

    `size` bounds the page; `after` is the `next` of the page before (keyset paging: stable and cheap
    however deep). `at` reads the past as of that revision.
    """

    database: str = "main"
    query: Query
    size: int = 1000
    after: list[Any] | None = None
    at: int | None = None
    parameters: dict[str, Any] = {}


class Page(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Rows of a query as columns; every list has the same length.

    For a query for entities: `ids`, and one column for each selected to-one path by its dotted name
    (`project.name`); `columns["project"]` holds ids; `types` names each row's type in a hierarchy of
    several types and is [] otherwise. A selected path through a reference also brings the ids on the
    way (`project`) and, where the target is in a hierarchy, `project.entity_type`. For a grouped
    query, or a select of aggregates or computed values, `ids` is [] and `columns` has one entry for
    each thing selected. `next` is None on the last page. `revision` is the room's when it was read.
    """

    type: str
    ids: list[bytes] = []
    types: list[str] = []
    columns: dict[str, list[Any]] = {}
    next: list[Any] | None = None
    revision: int = 0
    count: int = 0  # rows in this page


class MembersRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask for the members of one collection, links or mapping attribute of many owners at once.

    `select` lists attributes of the member type (dotted to-one paths too); empty as in Query.
    """

    database: str = "main"
    type: str
    attribute: str
    owners: list[bytes]
    select: tuple[str, ...] = ()
    at: int | None = None


class Members(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Row i says: `owners[i]` has the member in row i of `page`, in the order of (owner, member id).

    For links with notes `notes[i]` is the note. For a mapping `page` is None and `keys[i]`,
    `values[i]` are the entry, ordered by (owner, key).
    """

    owners: list[bytes]
    page: Page | None = None
    notes: list[str | None] = []
    keys: list[str] = []
    values: list[Any] = []


class HistoryRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask who changed what of one entity, newest first. `attribute` narrows, `limit` and `before` page."""

    database: str = "main"
    type: str
    id: bytes
    attribute: str | None = None
    before: int | None = None
    limit: int = 1000


class Change(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One change of one attribute: raw scalars before and after.

    `verb` is create, update, delete, link, unlink, set_key or drop_key. For link and unlink `member`
    is the id at the other end and the values are the notes; for keys `key` is the key. A create or
    delete has one Change per attribute that had a value, or one with attribute "" if none had. `partial`
    marks a create whose values, and the changes that came after it, were pruned.
    """

    revision: int
    time: int
    actor: str
    notes: str | None
    commit_id: bytes
    verb: str
    attribute: str
    before: Any = None
    after: Any = None
    member: bytes | None = None
    key: str | None = None
    partial: bool = False


class SearchRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Full-text search: entities whose searchable texts hold every word; `word*` matches beginnings."""

    database: str = "main"
    text: str
    types: tuple[str, ...] = ()
    limit: int = 50
    offset: int = 0


class Hit(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One entity found, best first; `rank` falls. `snippets` maps attribute to text with [matched] words."""

    type: str
    id: bytes
    rank: float
    snippets: dict[str, str] = {}


class AccessRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Ask why a user, given by id or by name, may or may not do something with an entity; without either: who asks."""

    database: str
    type: str
    id: bytes
    user: bytes = b""
    user_name: str = ""


class AccessAnswer(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Whether somebody may do `verb` with an entity, and by which rule.

    Where it is allowed: the name of the `role`, the id of the `rule` (of the Share, where `role` is ""), its `condition` as it
    was written, and the `attributes` that it is about (() for all). `why` says it for a person, also where nothing allows it.
    """

    verb: str
    allowed: bool
    role: str = ""
    rule: bytes = b""
    condition: str = ""
    attributes: tuple[str, ...] = ()
    why: str = ""


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One commit, without its operations."""

    revision: int
    commit_id: bytes
    database: str
    actor: str
    time: int
    notes: str | None = None


class JournalEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One commit as the journal keeps it; `operations` as in `model.operations`, with their before fields."""

    header: Header
    operations: list[Any]


class DatabaseInfo(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One database of a room: its key, what people call it, and how many entity types it has."""

    key: str
    label: str = ""
    description: str = ""
    types: int = 0


class SchemaEffect(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one schema operation would do to the entities there are: `what` happens to `rows` of them.

    `refusal` is the message of the SchemaChangeRefused that it would raise, `facts` its facts; "" where it can be done.
    """

    rows: int = 0
    what: str = ""
    refusal: str = ""
    facts: dict[str, Any] = {}


class RevertRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask for the inverse of the commit with `revision`, under the id and notes of `commit` (without operations)."""

    revision: int
    commit: Commit


class PreviewRequest(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Ask what schema operations would do."""

    database: str = "main"
    operations: list[Operation]


class SchemaReply(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The entity types of a database, and the revision of its last change of them."""

    database: str
    revision: int
    types: list[EntityType]


class FreshRequest(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Ask what a cache must forget that has seen the commit `commit` with revision `after` last (0 and b"": none)."""

    database: str = "main"
    after: int = 0
    commit: bytes = b""


class Fresh(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`types` are those that the actor may read whole, `changed` the ids of such that commits since touched.

    `reset`: it cannot be told what changed; forget everything. So does a cache whose room, schema or access revision
    are not these.
    """

    room: bytes
    revision: int
    commit: bytes
    access_revision: int
    schema_revision: int
    types: list[str] = []
    changed: list[bytes] = []
    reset: bool = False
