"""Every exception that recordroom raises on purpose.

A class exists only if a caller would act differently. Each has a stable `code` (for JSON and exit
messages), an HTTP `status`, and a docstring that is its default message: names in braces are filled
from the facts given to the constructor, and the same facts can be read as attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

__all__ = [
    "ChecksumMismatch",
    "ComponentInLocation",
    "ComponentNotInLocation",
    "Conflict",
    "CreateCycle",
    "DeleteRestricted",
    "Error",
    "FileExists",
    "FilesOfAnotherRoom",
    "ImmutableAttribute",
    "ImportFailed",
    "InvalidMedia",
    "InvalidPath",
    "InvalidQuery",
    "InvalidReference",
    "InvalidRequest",
    "InvalidSchema",
    "InvalidSequence",
    "InvalidSettings",
    "InvalidSignature",
    "InvalidValue",
    "KeyringUnavailable",
    "LocationNotConfigured",
    "LocationUnavailable",
    "MailFailed",
    "MediaLimit",
    "MissingExtra",
    "MissingValue",
    "MultipleResults",
    "NoResult",
    "NoSuchFile",
    "NotARoom",
    "NotAuthenticated",
    "NotFound",
    "NotSupported",
    "NotUnique",
    "PastPruned",
    "PermissionDenied",
    "ProviderUnavailable",
    "QuerySyntaxError",
    "QueryTimeout",
    "QueryTooComplex",
    "RequestTooLarge",
    "RoomDamaged",
    "RoomExists",
    "RoomLocked",
    "RoomNotFound",
    "RoomReadOnly",
    "RoomTooNew",
    "SchemaChangeRefused",
    "ServerUnavailable",
    "SessionClosed",
    "SessionRefused",
    "StorageFull",
    "StoreUnavailable",
    "TokenExpired",
    "TooManyAttempts",
    "TransferFailed",
    "UnknownAttribute",
    "UnknownDatabase",
    "UnknownName",
    "UnknownType",
    "UploadBusy",
    "UploadGone",
    "UploadQuotaExceeded",
    "WrongOffset",
]


# More of a value than this says nothing in a message; its fact has all of it.
_MOST_SHOWN = 300


class _Facts(Formatter):
    """Fills names in braces; what is shown by `!r` is cut where it is too long or cannot be shown."""

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "?")

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return shown(value) if conversion == "r" else super().convert_field(value, conversion)


class Error(Exception):
    """Something went wrong."""

    code = "error"
    status = 500

    def __init__(self, message: str | None = None, /, **facts: Any) -> None:
        self.facts = facts
        self.message = message or self.describe(facts)
        super().__init__(self.message)

    @classmethod
    def describe(cls, facts: dict[str, Any]) -> str:
        """The default message: the first line of the docstring with the facts filled in."""
        template = (cls.__doc__ or "").partition("\n")[0]
        try:
            text = _Facts().vformat(template, (), facts)
        except (RecursionError, ValueError):
            # A value that is nested too deep, or has too many digits, to be shown.
            text = _Facts().vformat(template, (), {name: _outline(facts[name]) for name in facts})
        if text.endswith(".."):
            text = text[:-1]  # A reason that is a sentence has its full stop already.
        return text + _suggestion(facts.get("suggestions", ()))

    def __getattr__(self, name: str) -> Any:
        facts = self.__dict__.get("facts", {})
        if name in facts:
            return facts[name]
        raise AttributeError(f"{type(self).__name__} has no fact {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.facts)


def _outline(value: Any) -> str:
    if isinstance(value, str):
        return value
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def shown(value: Any) -> str:
    """A value in a message: the beginning of its repr, or what it is where it is too deep or too large to be shown."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return _outline(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}… ({len(text):,} characters)"


def _rebuild(cls: type[Error], message: str, facts: dict[str, Any]) -> Error:
    return cls(message, **facts)


def _suggestion(names: Any) -> str:
    if not names:
        return ""
    return f" Did you mean {' or '.join(repr(name) for name in names)}?"


# --- values ---------------------------------------------------------------------------------------


class InvalidValue(Error):
    """{type}.{attribute}: expected {expected}, got {value!r}.

    Facts: `type`, `attribute`, `value`, `expected`, and `entity` (its id) where one is known.
    """

    code = "invalid_value"
    status = 422


class MissingValue(Error):
    """{type}.{attribute} is required; {count} of the new or changed entities have no value for it.

    Facts: `type`, `attribute`, `entities` (ids), `count`.
    """

    code = "missing_value"
    status = 422


class ImmutableAttribute(Error):
    """{type}.{attribute} cannot be changed once it is set.

    Facts: `type`, `attribute`, `entity`.
    """

    code = "immutable_attribute"
    status = 422


class InvalidReference(Error):
    """{type}.{attribute}: there is no {target} with id {value}.

    Facts: `type`, `attribute`, `entity`, `target` (the type expected), `value` (the id given) and
    `found` (the type that the id has, when it names an entity of a wrong type).
    """

    code = "invalid_reference"
    status = 422


class NotUnique(Error):
    """Another {type} has the same {attributes}.

    Facts: `type`, `attributes` (tuple), `values` (tuple; None where it may not be known), `entity` (the one refused),
    `existing` (the id of the one in the room, when it may be known).
    """

    code = "not_unique"
    status = 409

    @classmethod
    def describe(cls, facts: dict[str, Any]) -> str:
        """The default message, with each attribute beside its value."""
        pairs = zip(facts.get("attributes", ()), facts.get("values", ()), strict=False)
        same = " and ".join(name if value is None else f"{name} {shown(value)}" for name, value in pairs)
        return super().describe({**facts, "attributes": same or "values"})


class DeleteRestricted(Error):
    """{type} {entity} cannot be deleted: {count} {referring_type} refer to it by {attribute!r}.

    Facts: `type`, `entity`, `referring_type`, `attribute`, `count`, `examples` (ids).
    """

    code = "delete_restricted"
    status = 409


class CreateCycle(Error):
    """New entities refer to each other in a circle: {path}. Commit one of them first, then set the reference.

    Facts: `path` (text), `entities` (ids in order).
    """

    code = "create_cycle"
    status = 422


# --- names ----------------------------------------------------------------------------------------


class UnknownName(Error):
    """There is no {name!r}.

    Facts: `name`, `suggestions` (close names).
    """

    code = "unknown_name"
    status = 404


class UnknownType(UnknownName):
    """There is no entity type {name!r}."""

    code = "unknown_type"


class UnknownAttribute(UnknownName, KeyError):
    """{type} has no attribute {name!r}."""

    code = "unknown_attribute"

    def __str__(self) -> str:
        return self.message


class UnknownDatabase(UnknownName):
    """There is no database {name!r} in this room."""

    code = "unknown_database"


# --- queries --------------------------------------------------------------------------------------


class InvalidQuery(Error):
    """The query asks for something that cannot be: {reason}.

    Facts: `reason`, and `line`, `column` where the query was text.
    """

    code = "invalid_query"
    status = 400


class QuerySyntaxError(InvalidQuery):
    """Line {line}, column {column}: found {found}, expected {expected}.

    Facts: `line`, `column` (both from 1), `found`, `expected`, `text`.
    """

    code = "query_syntax"


class QueryTooComplex(InvalidQuery):
    """The query is nested deeper than {limit} levels or longer than the limit allows.

    Facts: `limit`.
    """

    code = "query_too_complex"


class QueryTimeout(Error):
    """The query took longer than the {seconds} seconds that it may; ask for less, or narrow it with conditions.

    Facts: `seconds`.
    """

    code = "query_timeout"
    status = 503


class NoResult(Error):
    """The query found nothing where exactly one {type} was expected."""

    code = "no_result"
    status = 404


class MultipleResults(Error):
    """The query found more than one {type} where exactly one was expected."""

    code = "multiple_results"
    status = 409


class NotFound(Error):
    """There is no {type} with id {entity}.

    Facts: `type`, `entity`.
    """

    code = "not_found"
    status = 404


# --- commits and the past -------------------------------------------------------------------------


class Conflict(Error):
    """{type} {entity} was changed by others since it was read: {names}.

    Facts: `type`, `entity`, `attributes`: a mapping from attribute name to a `Clash` with `base`
    (the value when it was read), `mine` and `theirs`; `names`; `clashes`: every clash of the commit,
    when more than one entity clashes.
    """

    code = "conflict"
    status = 409


class PastPruned(Error):
    """Revision {revision} was pruned; the oldest that can be read is {oldest}.

    Facts: `revision`, `oldest`.
    """

    code = "past_pruned"
    status = 410


# --- schema ---------------------------------------------------------------------------------------


class InvalidSchema(Error):
    """The schema is not valid: {where}: {reason}.

    Facts: `where` (type, attribute, or file and line), `reason`.
    """

    code = "invalid_schema"
    status = 422


class SchemaChangeRefused(Error):
    """The change to {where} contradicts {count} existing entities: {reason}.

    Facts: `where`, `reason`, `count`, `entities` (the first ids), `values` (their values).
    """

    code = "schema_change_refused"
    status = 409


# --- rooms and sessions ---------------------------------------------------------------------------


class RoomNotFound(Error):
    """There is no room at {path}."""

    code = "room_not_found"
    status = 404


class InvalidSettings(Error):
    """The settings are not right: {where}: {reason}.

    Facts: `where` (a file, a variable or a flag), `reason`, `suggestions`.
    """

    code = "invalid_settings"
    status = 422


class RoomExists(Error):
    """There is a room at {path} already; nothing was changed."""

    code = "room_exists"
    status = 409


class NotARoom(Error):
    """{path} exists but is not a room: {reason}."""

    code = "not_a_room"


class RoomDamaged(Error):
    """The room at {path} is damaged: {reason}."""

    code = "room_damaged"


class RoomTooNew(Error):
    """The room at {path} has format {found}; this recordroom reads up to {supported}. Upgrade recordroom."""

    code = "room_too_new"


class RoomLocked(Error):
    """The room at {path} is open for writing in process {pid}. Open it with mode="read", or wait for it with wait=SECONDS."""

    code = "room_locked"
    status = 423


class RoomReadOnly(Error):
    """The room at {path} was opened for reading only."""

    code = "room_read_only"
    status = 403


class PermissionDenied(Error):
    """No permission for {what}."""

    code = "permission_denied"
    status = 403


class NotAuthenticated(Error):
    """{where} does not know who you are: {reason}.

    Facts: `where` (a server), `reason`; never a secret.
    """

    code = "not_authenticated"
    status = 401


class TokenExpired(NotAuthenticated):
    """The access token has expired: get another with the refresh token, or log in again."""

    code = "token_expired"


class MailFailed(Error):
    """The mail could not be sent: {reason}."""

    code = "mail_failed"
    status = 502


class InvalidSignature(Error):
    """The signature of the webhook is not right: {reason}."""

    code = "invalid_signature"
    status = 401


class TooManyAttempts(Error):
    """Too many attempts: try again in {retry_after} seconds.

    Facts: `retry_after` (whole seconds).
    """

    code = "too_many_attempts"
    status = 429


class ProviderUnavailable(Error):
    """The provider of single sign-on {issuer} cannot be used now: {reason}.

    Facts: `issuer`, `reason`.
    """

    code = "provider_unavailable"
    status = 503


class KeyringUnavailable(Error):
    """There is no keyring to keep secrets in: {reason}."""

    code = "keyring_unavailable"


class StorageFull(Error):
    """No space is left where {path} is stored; nothing was changed."""

    code = "storage_full"
    status = 507


class StoreUnavailable(Error):
    """The database cannot be reached: {reason}."""

    code = "store_unavailable"
    status = 503


class ServerUnavailable(StoreUnavailable):
    """{where} cannot be reached: {reason}; tried {attempts} times in {seconds} seconds.

    Facts: `where`, `reason`, `attempts`, `seconds`, and `status` of the last answer where there was one. Whether what was asked
    was done is not known; a commit may be sent again, as it applies once.
    """

    code = "server_unavailable"


class SessionClosed(Error):
    """This session is closed."""

    code = "session_closed"
    status = 409


class SessionRefused(Error):
    """{reason}

    For plugins and subscribers of hooks that mean to stop a session: raised by one, it is not caught.
    Facts: `reason`.
    """

    code = "session_refused"
    status = 409


# --- requests over the network ----------------------------------------------------------------------


class InvalidRequest(Error):
    """The request cannot be understood: {reason}.

    Facts: `reason`.
    """

    code = "invalid_request"
    status = 400


class RequestTooLarge(InvalidRequest):
    """The request is larger than the {limit} bytes that are taken; send it in parts.

    Facts: `limit` (bytes).
    """

    code = "request_too_large"
    status = 413


# --- files -----------------------------------------------------------------------------------------


class NoSuchFile(Error):
    """{where} has no file {path!r}.

    Facts: `where` (a location), `path`.
    """

    code = "no_such_file"
    status = 404


class FileExists(Error):
    """{where} has {path!r} already; nothing was overwritten.

    Facts: `where` (a location), `path`.
    """

    code = "file_exists"
    status = 409


class InvalidPath(Error):
    """{path!r} cannot be a path in {where}: {reason}.

    Facts: `where` (a location), `path`, `reason`.
    """

    code = "invalid_path"
    status = 422


class InvalidSequence(Error):
    """{path!r} is not a sequence of files: {reason}.

    Facts: `path`, `reason`, and `missing`: the first files that there are not.
    """

    code = "invalid_sequence"
    status = 422


class ChecksumMismatch(Error):
    """{path!r} is not what it should be: its checksum is {found}, not {expected}.

    Facts: `path`, `expected`, `found`.
    """

    code = "checksum_mismatch"
    status = 422


class WrongOffset(Error):
    """The upload goes on at byte {offset}, not at {given}.

    Facts: `offset`, `given`.
    """

    code = "wrong_offset"
    status = 409


class UploadBusy(Error):
    """Another request is sending this upload; try again when it has ended."""

    code = "upload_busy"
    status = 423


class UploadQuotaExceeded(StorageFull):
    """{used} bytes of yours are not committed; {asked} more would exceed the {limit} allowed. Commit or end some first.

    Facts: `used`, `asked`, `limit` (bytes).
    """

    code = "upload_quota_exceeded"


class UploadGone(Error):
    """There is no such upload, or it has expired; begin another."""

    code = "upload_gone"
    status = 410


class FilesOfAnotherRoom(Error):
    """{where} has the files of another room: {other}, not {room}. Give each room a place of its own.

    Facts: `where` (a place of files), `other`, `room` (ids of rooms).
    """

    code = "files_of_another_room"
    status = 409


class LocationUnavailable(Error):
    """{where} cannot be used now: {reason}.

    Facts: `where` (a location), `reason`; never a secret.
    """

    code = "location_unavailable"
    status = 503


class NotSupported(Error):
    """{where} cannot give {what}.

    Facts: `where`, `what`.
    """

    code = "not_supported"
    status = 501


class LocationNotConfigured(Error):
    """{location} has no {part} in this session.

    Facts: `location` (its name), `part` (`accessor` or `structure`).
    """

    code = "location_not_configured"
    status = 409


class ComponentInLocation(Error):
    """{count} components are in {location} already; nothing was changed.

    Facts: `location` (its name), `components` (ids), `count`.
    """

    code = "component_in_location"
    status = 409


class ComponentNotInLocation(Error):
    """{count} components are not in {location}.

    Facts: `location` (its name), `components` (ids), `count`.
    """

    code = "component_not_in_location"
    status = 404


class TransferFailed(Error):
    """{location} did not take {component}: {reason}

    Facts: `location` (its name), `component` (an id), `reason`, `transferred`: (component id, resource identifier) of what lies there now and is not registered.
    """

    code = "transfer_failed"
    status = 502


# --- media -----------------------------------------------------------------------------------------


class InvalidMedia(Error):
    """{source!r} cannot be used as media: {reason}.

    Facts: `source` (the name of a file), `reason`.
    """

    code = "invalid_media"
    status = 422


class MediaLimit(InvalidMedia):
    """{source!r} needs more than it may: the limit {limit!r} is {value}.

    Facts: `source`, `limit` (a setting of `recordroom.media.Limits`), `value` (what it is), `reason`.
    """

    code = "media_limit"


# --- files of rows and extras ---------------------------------------------------------------------


class ImportFailed(Error):
    """{source}, line {line}, column {column!r}: expected {expected}, got {value!r}.

    Facts: `source`, `line`, `column`, `value`, `expected`, `report` (what was done before it stopped).
    """

    code = "import_failed"
    status = 422


class MissingExtra(Error, ImportError):
    """This needs {package}: pip install 'recordroom[{extra}]'."""

    code = "missing_extra"
