"""What of somebody's bytes is not committed, as plans: uploads under way, and bytes that no committed component has yet.

An account is a row beside the uploads that it is about. It only grows, and where it would grow too large it is worked out anew:
so a request costs nothing that depends on how much there is. What counts are rows of `rr_upload`: open ones with what is to come,
done ones until their component is committed, and bytes that were replaced or removed until they are collected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from ..model.ids import new_id
from . import file_records as records
from .access import now
from .creation import placeholders
from .file_records import ACCOUNT, DONE, FREED, LEFT, OPEN, SETTLED, UploadFacts, UploadRow, Who, owner_of
from .plans import Fetch, Plan, Run
from .sqltext import marked

__all__ = ["charge", "end_upload", "release"]

_AT_ONCE = 500
_FOREVER = 2**62
_HOUR = 3_600_000_000


def charge(who: Who, size: int, most: int) -> Plan[int | None]:
    """Count `size` more bytes of the actor; where that would be more than `most`, how many there are, and none are counted."""
    owner = owner_of(who.actor)
    before = yield from _account(who, owner)
    if before + size > most:
        before = yield from _counted(who, owner)
        yield from _keep_account(who, owner, before)
        if before + size > most:
            return before
    yield from _keep_account(who, owner, before + size)
    return None


def release(who: Who, component: bytes, kept: str = "") -> Plan[None]:
    """Note that the bytes of a component are given up, before they are: they count until they can be collected."""
    dialect = who.opened.driver.dialect
    found = yield from records.file_of(dialect, component)
    ends = 0 if found is None else found.time + who.opened.settings.orphans * _HOUR
    if found is None or found.digest == kept or ends <= now():
        return
    owner, facts = owner_of(who.actor), UploadFacts(component=component, length=found.size)
    yield from records.add_upload(dialect, UploadRow(new_id(), owner, FREED, ends, 0, facts))
    yield from _keep_account(who, owner, (yield from _account(who, owner)) + found.size)


def end_upload(who: Who, upload: UploadRow) -> Plan[None]:
    """Forget an upload; what one that is done has left goes on counting."""
    dialect = who.opened.driver.dialect
    if upload.state == DONE:
        yield from records.change_upload(dialect, upload._replace(state=LEFT))
    else:
        yield from records.forget_upload(dialect, upload.id)


# --- the account ----------------------------------------------------------------------------------


def _account_id(owner: str) -> bytes:
    return hashlib.sha256(f"account {owner}".encode()).digest()[:16]


def _account(who: Who, owner: str) -> Plan[int]:
    sql = marked(who.opened.driver.dialect, "SELECT data FROM rr_upload WHERE id = ?")
    rows = yield Fetch(sql, (_account_id(owner),))
    return msgspec.json.decode(rows[0][0], type=UploadFacts).length if rows else 0


def _keep_account(who: Who, owner: str, size: int) -> Plan[None]:
    name = _account_id(owner)
    data = msgspec.json.encode(UploadFacts(component=name, length=size)).decode()
    sql = (
        "INSERT INTO rr_upload (id, owner, state, expires, busy, data) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET data = excluded.data"
    )
    yield Run(marked(who.opened.driver.dialect, sql), (name, owner, ACCOUNT, _FOREVER, 0, data))


# --- worked out anew ------------------------------------------------------------------------------


def _counted(who: Who, owner: str) -> Plan[int]:
    """How many bytes there are; what has been committed meanwhile is not looked at again."""
    dialect, moment = who.opened.driver.dialect, now()
    total = 0
    states = f"'{OPEN}', '{DONE}', '{LEFT}', '{FREED}'"
    sql = f"SELECT id, state, expires, data FROM rr_upload WHERE owner = ? AND state IN ({states})"
    done: list[tuple[bytes, UploadFacts]] = []
    for upload, state, expires, data in (yield Fetch(marked(dialect, sql), (owner,))):
        facts = msgspec.json.decode(data, type=UploadFacts)
        if state in (DONE, LEFT):
            done.append((bytes(upload), facts))
        elif state == OPEN or expires > moment:
            total += facts.length
    for start in range(0, len(done), _AT_ONCE):
        total += yield from _waiting(who, done[start : start + _AT_ONCE])
    return total


def _waiting(who: Who, done: Sequence[tuple[bytes, UploadFacts]]) -> Plan[int]:
    """How many bytes of these wait for their commit. The others are settled: components have them, or they count as freed."""
    dialect = who.opened.driver.dialect
    files = yield from records.files_of(dialect, [facts.component for _, facts in done])
    there = yield from records.committed(who, files.values())
    total = 0
    settled: list[bytes] = []
    for upload, facts in done:
        found = files.get(facts.component)
        if found is not None and found.digest == facts.digest and facts.component not in there:
            total += facts.length
        else:
            settled.append(upload)
    if settled:
        listed = placeholders(dialect, len(settled))
        yield Run(f"UPDATE rr_upload SET state = '{SETTLED}' WHERE id IN ({listed}) AND state = '{DONE}'", settled)
        yield Run(f"DELETE FROM rr_upload WHERE id IN ({listed}) AND state = '{LEFT}'", settled)
    return total
