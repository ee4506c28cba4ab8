"""recordroom: an open data server for structured records, scripted from Python.

The public names are here: `connect`, `Session`, `Entity`, `NOT_SET`, `errors` and every error by its own name.
They are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors as errors
    from .client.committing import Clash as Clash
    from .client.committing import Committed as Committed
    from .client.entity import Entity as Entity
    from .client.hooks import PluginWarning as PluginWarning
    from .client.results import QueryResult as QueryResult
    from .client.retry import Retry as Retry
    from .client.session import Session as Session
    from .client.symbols import NOT_SET as NOT_SET
    from .client.templates import templates as templates
    from .client.webhooks import verify_webhook as verify_webhook
    from .connection import connect as connect
    from .errors import ChecksumMismatch as ChecksumMismatch
    from .errors import ComponentInLocation as ComponentInLocation
    from .errors import ComponentNotInLocation as ComponentNotInLocation
    from .errors import Conflict as Conflict
    from .errors import CreateCycle as CreateCycle
    from .errors import DeleteRestricted as DeleteRestricted
    from .errors import Error as Error
    from .errors import FileExists as FileExists
    from .errors import FilesOfAnotherRoom as FilesOfAnotherRoom
    from .errors import ImmutableAttribute as ImmutableAttribute
    from .errors import ImportFailed as ImportFailed
    from .errors import InvalidMedia as InvalidMedia
    from .errors import InvalidPath as InvalidPath
    from .errors import InvalidQuery as InvalidQuery
    from .errors import InvalidReference as InvalidReference
    from .errors import InvalidRequest as InvalidRequest
    from .errors import InvalidSchema as InvalidSchema
    from .errors import InvalidSequence as InvalidSequence
    from .errors import InvalidSettings as InvalidSettings
    from .errors import InvalidSignature as InvalidSignature
    from .errors import InvalidValue as InvalidValue
    from .errors import KeyringUnavailable as KeyringUnavailable
    from .errors import LocationNotConfigured as LocationNotConfigured
    from .errors import LocationUnavailable as LocationUnavailable
    from .errors import MailFailed as MailFailed
    from .errors import MediaLimit as MediaLimit
    from .errors import MissingExtra as MissingExtra
    from .errors import MissingValue as MissingValue
    from .errors import MultipleResults as MultipleResults
    from .errors import NoResult as NoResult
    from .errors import NoSuchFile as NoSuchFile
    from .errors import NotARoom as NotARoom
    from .errors import NotAuthenticated as NotAuthenticated
    from .errors import NotFound as NotFound
    from .errors import NotSupported as NotSupported
    from .errors import NotUnique as NotUnique
    from .errors import PastPruned as PastPruned
    from .errors import PermissionDenied as PermissionDenied
    from .errors import ProviderUnavailable as ProviderUnavailable
    from .errors import QuerySyntaxError as QuerySyntaxError
    from .errors import QueryTimeout as QueryTimeout
    from .errors import QueryTooComplex as QueryTooComplex
    from .errors import RequestTooLarge as RequestTooLarge
    from .errors import RoomDamaged as RoomDamaged
    from .errors import RoomExists as RoomExists
    from .errors import RoomLocked as RoomLocked
    from .errors import RoomNotFound as RoomNotFound
    from .errors import RoomReadOnly as RoomReadOnly
    from .errors import RoomTooNew as RoomTooNew
    from .errors import SchemaChangeRefused as SchemaChangeRefused
    from .errors import ServerUnavailable as ServerUnavailable
    from .errors import SessionClosed as SessionClosed
    from .errors import SessionRefused as SessionRefused
    from .errors import StorageFull as StorageFull
    from .errors import StoreUnavailable as StoreUnavailable
    from .errors import TokenExpired as TokenExpired
    from .errors import TooManyAttempts as TooManyAttempts
    from .errors import TransferFailed as TransferFailed
    from .errors import UnknownAttribute as UnknownAttribute
    from .errors import UnknownDatabase as UnknownDatabase
    from .errors import UnknownName as UnknownName
    from .errors import UnknownType as UnknownType
    from .errors import UploadBusy as UploadBusy
    from .errors import UploadGone as UploadGone
    from .errors import UploadQuotaExceeded as UploadQuotaExceeded
    from .errors import WrongOffset as WrongOffset
    from .logins import login as login
    from .logins import login_with_password as login_with_password

_NAMES = {
    "Clash": "client.committing",
    "Committed": "client.committing",
    "Entity": "client.entity",
    "Error": "errors",
    "NOT_SET": "client.symbols",
    "PluginWarning": "client.hooks",
    "QueryResult": "client.results",
    "Retry": "client.retry",
    "Session": "client.session",
    "connect": "connection",
    "templates": "client.templates",
    "verify_webhook": "client.webhooks",
    "login": "logins",
    "login_with_password": "logins",
}

__all__ = [
    "NOT_SET",
    "ChecksumMismatch",
    "Clash",
    "Committed",
    "ComponentInLocation",
    "ComponentNotInLocation",
    "Conflict",
    "CreateCycle",
    "DeleteRestricted",
    "Entity",
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
    "PluginWarning",
    "ProviderUnavailable",
    "QueryResult",
    "QuerySyntaxError",
    "QueryTimeout",
    "QueryTooComplex",
    "RequestTooLarge",
    "Retry",
    "RoomDamaged",
    "RoomExists",
    "RoomLocked",
    "RoomNotFound",
    "RoomReadOnly",
    "RoomTooNew",
    "SchemaChangeRefused",
    "ServerUnavailable",
    "Session",
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
    "__version__",
    "connect",
    "errors",
    "login",
    "login_with_password",
    "templates",
    "verify_webhook",
]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        found = getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
    elif name == "errors":
        return importlib.import_module(".errors", __name__)
    elif name == "__version__":
        from importlib.metadata import version

        found = version("recordroom")
    else:
        errors = importlib.import_module(".errors", __name__)
        if name not in errors.__all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(errors, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
