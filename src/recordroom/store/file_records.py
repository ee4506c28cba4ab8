"""What the room knows of files, as plans for `rr_file` and `rr_upload`: which bytes a component has, and what is on its way.

Bytes are uploaded before their component is committed, so this is not journaled and refers to nothing. Who may read a
component may read its bytes; who may update it may replace them. Bytes of a component that there never was are orphans
after a time, those of a deleted one when history has forgotten it, so that a revert brings it back whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ..errors import NoSuchFile, PermissionDenied
from ..model.actor import Actor
from ..model.ids import show_id
from .access import Access, access_of, allowed, visible
from .catalog import Catalog, Catalogs, catalog_of
from .creation import placeholders
from .file_owners import COMPONENT, owner_of
from .followers import catch_up
from .layout import layout_of
from .opened import Opened
from .plans import Fetch, Plan, Row, Run
from .sqltext import marked, quoted

__all__ = [
    "ACCOUNT",
    "COMPONENT",
    "DONE",
    "FREED",
    "JOINING",
    "LEFT",
    "OPEN",
    "REFUSED",
    "SETTLED",
    "FileRow",
    "UploadFacts",
    "UploadRow",
    "Who",
    "add_upload",
    "change_upload",
    "check_writable",
    "committed",
    "ended_uploads",
    "file_of",
    "files_after",
    "files_of",
    "forget_file",
    "forget_upload",
    "keep_file",
    "known_digests",
    "lease_upload",
    "orphans",
    "owner_of",
    "readable_file",
    "upload_by",
    "uploads_of",
]

OPEN, JOINING, DONE, REFUSED = "open", "joining", "done", "refused"
# What only accounts know (`file_charges`): done and committed, done and given up, bytes without a component, the account itself.
SETTLED, LEFT, FREED, ACCOUNT = "settled", "left", "freed", "account"
_AT_ONCE = 500


class FileRow(NamedTuple):
    """Which bytes a component has in the room's own location."""

    component: bytes
    database: str
    digest: str
    size: int
    md5: str
    name: str
    owner: str
    time: int


class UploadFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was said of an upload when it was made. `parts` are the uploads that it is joined of, in order."""

    component: bytes
    database: str = "main"
    length: int = 0
    name: str = ""
    sha256: str = ""
    md5: str = ""
    metadata: str = ""  # as it was given
    partial: bool = False
    parts: tuple[bytes, ...] = ()
    digest: str = ""  # of what came, once it is done
    error: str = ""  # why it was refused, as the wire has errors


class UploadRow(NamedTuple):
    """An upload. `expires` and `busy` are microseconds since 1970."""

    id: bytes
    owner: str
    state: str
    expires: int
    busy: int
    facts: UploadFacts


class Who(NamedTuple):
    """Who asks, in a snapshot with these catalogs."""

    opened: Opened
    actor: Actor
    catalogs: Catalogs


# --- who may --------------------------------------------------------------------------------------


def check_writable(who: Who, database: str, component: bytes) -> Plan[None]:
    """PermissionDenied unless they may give the component bytes: one that there is, or one still to be committed."""
    catalog = catalog_of(who.catalogs, database)
    catalog.schema[COMPONENT]
    access = yield from access_of(*who)
    if (yield from _there(catalog, [component])):
        ids = [component]
        seen = yield from visible(catalog, access, COMPONENT, ids)
        if not seen or not (yield from allowed(catalog, access, "update", COMPONENT, ids)):
            raise PermissionDenied(what=f"uploading to component {show_id(component)}")
        return
    if access is not None and not _may_create(catalog, access):
        raise PermissionDenied(what="uploading files")
    kept = yield from file_of(catalog.dialect, component)
    if kept is not None and kept.owner != owner_of(who.actor):
        raise PermissionDenied(what=f"uploading to component {show_id(component)}")


def _may_create(catalog: Catalog, access: Access) -> bool:
    rules = access.rules(catalog)
    return any(rules.covering("create", each) for each in catalog.schema.subtypes(COMPONENT))


def readable_file(who: Who, database: str, component: bytes, verb: str = "read") -> Plan[FileRow]:
    """The bytes of a component that they may read (or as `verb` says); NoSuchFile where there are none, or none for them."""
    catalog = catalog_of(who.catalogs, database)
    found = yield from file_of(catalog.dialect, component)
    there = found is not None and found.database == database and COMPONENT in catalog.schema
    if found is None or not there or not (yield from _there(catalog, [component])):
        raise no_file(component)
    access = yield from access_of(*who)
    if not (yield from visible(catalog, access, COMPONENT, [component])):
        raise no_file(component)
    if verb != "read" and not (yield from allowed(catalog, access, verb, COMPONENT, [component])):
        raise PermissionDenied(what=f"changing the file of component {show_id(component)}")
    return found


def no_file(component: bytes) -> NoSuchFile:
    """That the room has no bytes of a component, whatever the reason."""
    return NoSuchFile(where="the room", path=show_id(component))


def _there(catalog: Catalog, ids: Sequence[bytes], *, of_past: bool = False) -> Plan[set[bytes]]:
    """Those of `ids` that components have, or had in what is kept of the past."""
    if COMPONENT not in catalog.schema:
        return set()
    layout = layout_of(catalog, COMPONENT)
    found: set[bytes] = set()
    for table in (layout.table, layout.past) if of_past else (layout.table,):
        for start in range(0, len(ids), _AT_ONCE):
            some = list(ids[start : start + _AT_ONCE])
            sql = f"SELECT id FROM {quoted(table)} WHERE id IN ({placeholders(catalog.dialect, len(some))})"
            rows = yield Fetch(sql, some)
            found.update(bytes(row[0]) for row in rows)
    return found


# --- which bytes a component has ------------------------------------------------------------------

_FILE = "component, database, digest, size, md5, name, owner, time"


def _file(row: Row) -> FileRow:
    return FileRow(bytes(row[0]), *row[1:])


def keep_file(dialect: str, found: FileRow) -> Plan[None]:
    """Say which bytes a component has from now on."""
    sql = (
        f"INSERT INTO rr_file ({_FILE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (component) DO UPDATE SET"
        " database = excluded.database, digest = excluded.digest, size = excluded.size, md5 = excluded.md5,"
        " name = excluded.name, owner = excluded.owner, time = excluded.time"
    )
    yield Run(marked(dialect, sql), tuple(found))


def file_of(dialect: str, component: bytes) -> Plan[FileRow | None]:
    """Which bytes a component has, whoever asks."""
    rows = yield Fetch(marked(dialect, f"SELECT {_FILE} FROM rr_file WHERE component = ?"), (component,))
    return _file(rows[0]) if rows else None


def files_of(dialect: str, components: Sequence[bytes]) -> Plan[dict[bytes, FileRow]]:
    """Which bytes these components have, at most some hundred of them."""
    sql = f"SELECT {_FILE} FROM rr_file WHERE component IN ({placeholders(dialect, len(components))})"
    found = [_file(row) for row in (yield Fetch(sql, list(components)))]
    return {each.component: each for each in found}


def committed(who: Who, files: Iterable[FileRow]) -> Plan[set[bytes]]:
    """The components of those of `files` that are committed."""
    by_database: dict[str, list[bytes]] = {}
    for each in files:
        by_database.setdefault(each.database, []).append(each.component)
    found: set[bytes] = set()
    for database, ids in by_database.items():
        if database in who.catalogs.by_key:
            found |= yield from _there(who.catalogs.by_key[database], ids)
    return found


def forget_file(dialect: str, component: bytes) -> Plan[None]:
    """Say that a component has no bytes any more."""
    yield Run(marked(dialect, "DELETE FROM rr_file WHERE component = ?"), (component,))


def files_after(dialect: str, component: bytes = b"", limit: int = _AT_ONCE) -> Plan[list[FileRow]]:
    """Some files, in order of their components, from behind `component`."""
    sql = f"SELECT {_FILE} FROM rr_file WHERE component > ? ORDER BY component LIMIT {int(limit)}"
    rows = yield Fetch(marked(dialect, sql), (component,))
    return [_file(row) for row in rows]


def known_digests(dialect: str, digests: Sequence[str]) -> Plan[set[str]]:
    """Those of `digests` that components have."""
    found: set[str] = set()
    for start in range(0, len(digests), _AT_ONCE):
        some = list(digests[start : start + _AT_ONCE])
        sql = f"SELECT DISTINCT digest FROM rr_file WHERE digest IN ({placeholders(dialect, len(some))})"
        found.update(row[0] for row in (yield Fetch(sql, some)))
    return found


def orphans(catalogs: Mapping[str, Catalog], dialect: str, before: int, after: bytes = b"") -> Plan[tuple[int, bytes]]:
    """Forget files from before a moment whose component there is not, nor was in what is kept of the past.

    Looks at some at a time, from behind `after`: (how many were forgotten, the component to go on behind; b"" at the end).
    """
    while (yield from catch_up(catalogs, ("history",))):
        pass
    sql = "SELECT component, database FROM rr_file WHERE time < ? AND component > ? ORDER BY component LIMIT 500"
    rows = [(bytes(row[0]), row[1]) for row in (yield Fetch(marked(dialect, sql), (before, after)))]
    gone = 0
    for database in sorted({row[1] for row in rows}):
        ids = [row[0] for row in rows if row[1] == database]
        catalog = catalogs.get(database)
        there = set() if catalog is None else (yield from _there(catalog, ids, of_past=True))
        for component in ids:
            if component not in there:
                yield from forget_file(dialect, component)
                gone += 1
    return gone, rows[-1][0] if len(rows) == _AT_ONCE else b""


# --- uploads --------------------------------------------------------------------------------------

_UPLOAD = "id, owner, state, expires, busy, data"


def _upload(row: Row) -> UploadRow:
    upload, owner, state, expires, busy, data = row
    state = DONE if state == SETTLED else state
    return UploadRow(bytes(upload), owner, state, expires, busy, msgspec.json.decode(data, type=UploadFacts))


def _dumped(facts: UploadFacts) -> str:
    return msgspec.json.encode(facts).decode()


def add_upload(dialect: str, upload: UploadRow) -> Plan[None]:
    """Note an upload that begins."""
    sql = f"INSERT INTO rr_upload ({_UPLOAD}) VALUES (?, ?, ?, ?, ?, ?)"
    yield Run(marked(dialect, sql), (*upload[:5], _dumped(upload.facts)))


def upload_by(dialect: str, upload: bytes) -> Plan[UploadRow | None]:
    """The upload of that id."""
    sql = f"SELECT {_UPLOAD} FROM rr_upload WHERE id = ? AND state NOT IN ('{LEFT}', '{FREED}', '{ACCOUNT}')"
    rows = yield Fetch(marked(dialect, sql), (upload,))
    return _upload(rows[0]) if rows else None


def uploads_of(dialect: str, owner: str) -> Plan[int]:
    """How many uploads of somebody are under way."""
    sql = f"SELECT count(*) FROM rr_upload WHERE owner = ? AND state IN ('{OPEN}', '{JOINING}')"
    rows = yield Fetch(marked(dialect, sql), (owner,))
    count: int = rows[0][0]
    return count


def change_upload(dialect: str, upload: UploadRow) -> Plan[None]:
    """Note what became of an upload."""
    sql = "UPDATE rr_upload SET state = ?, expires = ?, busy = ?, data = ? WHERE id = ?"
    values = (upload.state, upload.expires, upload.busy, _dumped(upload.facts), upload.id)
    yield Run(marked(dialect, sql), values)


def lease_upload(dialect: str, upload: bytes, now: int, until: int) -> Plan[bool]:
    """Have the joining of an upload to oneself until then; False where another worker has it, or it is joined."""
    sql = f"UPDATE rr_upload SET busy = ? WHERE id = ? AND busy < ? AND state = '{JOINING}'"
    count: int = yield Run(marked(dialect, sql), (until, upload, now))
    return count > 0


def forget_upload(dialect: str, upload: bytes) -> Plan[None]:
    """Forget an upload."""
    yield Run(marked(dialect, "DELETE FROM rr_upload WHERE id = ?"), (upload,))


def ended_uploads(dialect: str, now: int, limit: int = _AT_ONCE) -> Plan[list[bytes]]:
    """Uploads that have expired."""
    sql = f"SELECT id FROM rr_upload WHERE expires < ? ORDER BY expires LIMIT {int(limit)}"
    rows = yield Fetch(marked(dialect, sql), (now,))
    return [bytes(row[0]) for row in rows]
