"""The errors that scripts catch, and what recordroom's own errors become.

`translated()` is the edge: within it an error of recordroom leaves as one of these, with its cause kept.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .... import errors
from ..errors import told

__all__ = [
    "AccessorContainerNotEmptyError",
    "AccessorError",
    "AccessorFilesystemPathError",
    "AccessorOperationFailedError",
    "AccessorParentResourceNotFoundError",
    "AccessorPermissionDeniedError",
    "AccessorResourceError",
    "AccessorResourceIdentifierError",
    "AccessorResourceInvalidError",
    "AccessorResourceNotFoundError",
    "AccessorUnsupportedOperationError",
    "AttributeError",
    "AuthenticationError",
    "CollectionError",
    "ComponentInLocationError",
    "ComponentNotInAnyLocationError",
    "ComponentNotInLocationError",
    "ConnectionClosedError",
    "DuplicateItemInCollectionError",
    "EntityTypeError",
    "Error",
    "EventHubConnectionError",
    "EventHubError",
    "EventHubPacketError",
    "ImmutableAttributeError",
    "ImmutableCollectionError",
    "IncorrectResultError",
    "InvalidStateError",
    "InvalidStateTransitionError",
    "LocationError",
    "MultipleResultsFoundError",
    "NoResultFoundError",
    "NotFoundError",
    "NotUniqueError",
    "OperationError",
    "ParseError",
    "PermissionDeniedError",
    "ServerCompatibilityError",
    "ServerError",
    "StructureError",
    "UnrecognisedEntityTypeError",
    "translated",
    "translation",
]


class Error(Exception):
    """Something went wrong. `message` may name `details` in braces; `traceback` is where it was raised."""

    default_message = "Something went wrong."

    def __init__(self, message: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        self.message = self.default_message if message is None else message
        self.details = dict(details or {})
        self.traceback = traceback.format_exc()
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message.format(**self.details) if self.details else self.message


class AuthenticationError(Error):
    """The credentials are not accepted."""

    default_message = "The credentials are not accepted."


class ServerError(Error):
    """The room refused what was asked of it."""

    default_message = "The server refused the request."


class ServerCompatibilityError(ServerError):
    """The room has not what this client needs."""

    default_message = "The server is not compatible."


class NotFoundError(Error):
    """There is no such thing."""

    default_message = "Not found."


class NotUniqueError(Error):
    """There is such a thing already."""

    default_message = "It exists already."


class IncorrectResultError(Error):
    """Not as many results as were expected."""

    default_message = "The result is not what was expected."


class NoResultFoundError(IncorrectResultError):
    """One result was expected, and there is none."""

    default_message = "Expected a result, found none."


class MultipleResultsFoundError(IncorrectResultError):
    """One result was expected, and there are several."""

    default_message = "Expected one result, found several."


class EntityTypeError(Error):
    """Something is wrong with an entity type."""

    default_message = "Something is wrong with the entity type."


class UnrecognisedEntityTypeError(EntityTypeError):
    """There is no such entity type."""

    default_message = "There is no entity type {entity_type!r}."

    def __init__(self, entity_type: str, **kw: Any) -> None:
        super().__init__(kw.pop("message", None), {**kw.pop("details", {}), "entity_type": entity_type})


class OperationError(Error):
    """Something is wrong with an operation."""

    default_message = "Something is wrong with the operation."


class InvalidStateError(Error):
    """It cannot be done in this state."""

    default_message = "The state is not valid."


class InvalidStateTransitionError(InvalidStateError):
    """One state does not lead to the other."""

    default_message = "{entity!r} cannot go from {current_state!r} to {new_state!r}."

    def __init__(self, current_state: Any, new_state: Any, entity: Any, **kw: Any) -> None:
        details = {"current_state": current_state, "new_state": new_state, "entity": entity}
        super().__init__(kw.pop("message", None), details)


class AttributeError(Error):
    """Something is wrong with an attribute."""

    default_message = "Something is wrong with the attribute."


class ImmutableAttributeError(AttributeError):
    """An attribute cannot be changed."""

    default_message = "{attribute.name!r} cannot be changed."

    def __init__(self, attribute: Any, **kw: Any) -> None:
        super().__init__(kw.pop("message", None), {"attribute": attribute})


class CollectionError(Error):
    """Something is wrong with a collection."""

    default_message = "Something is wrong with the collection."

    def __init__(self, collection: Any, **kw: Any) -> None:
        super().__init__(kw.pop("message", None), {**kw.pop("details", {}), "collection": collection})


class ImmutableCollectionError(CollectionError):
    """A collection cannot be changed."""

    default_message = "{collection!r} cannot be changed."


class DuplicateItemInCollectionError(CollectionError):
    """A collection has the item already."""

    default_message = "{item!r} is in {collection!r} already."

    def __init__(self, item: Any, collection: Any, **kw: Any) -> None:
        super().__init__(collection, details={"item": item}, **kw)


class ParseError(Error):
    """A text is not an expression."""

    default_message = "The text is not an expression."


class EventHubError(Error):
    """Something is wrong with the event hub."""

    default_message = "Something is wrong with the event hub."


class EventHubConnectionError(EventHubError):
    """The event hub is not connected."""

    default_message = "The event hub is not connected."


class EventHubPacketError(EventHubError):
    """A packet makes no sense."""

    default_message = "The packet makes no sense."


class PermissionDeniedError(Error):
    """It is not allowed."""

    default_message = "Permission denied."


class LocationError(Error):
    """Something is wrong with a location."""

    default_message = "Something is wrong with the location."


class ComponentNotInAnyLocationError(LocationError):
    """A component is nowhere."""

    default_message = "The component is in no location."


class _InLocations(LocationError):
    def __init__(self, components: Any, location: Any, **kw: Any) -> None:
        some = [components] if isinstance(components, Mapping) else list(components)
        details = {**kw.pop("details", {}), "components": some, "location": location}
        details["formatted_components"] = ", ".join(map(str, some))
        super().__init__(kw.pop("message", None), details)


class ComponentNotInLocationError(_InLocations):
    """Components are not in a location."""

    default_message = "{formatted_components} not found in {location}."


class ComponentInLocationError(_InLocations):
    """Components are in a location already."""

    default_message = "{formatted_components} found in {location} already."


class AccessorError(Error):
    """Something is wrong with an accessor."""

    default_message = "Something is wrong with the accessor."


class AccessorOperationFailedError(AccessorError):
    """An accessor could not do something."""

    default_message = "{operation} failed: {error}"

    def __init__(self, operation: str = "", resource_identifier: Any = None, error: Any = None, **kw: Any) -> None:
        details = {"operation": operation, "resource_identifier": resource_identifier, "error": error}
        super().__init__(kw.pop("message", None), {**kw.pop("details", {}), **details})


class AccessorUnsupportedOperationError(AccessorOperationFailedError):
    """An accessor cannot do such a thing."""

    default_message = "{operation} is not supported."


class AccessorPermissionDeniedError(AccessorOperationFailedError):
    """An accessor may not do something."""

    default_message = "{operation} of {resource_identifier}: permission denied."


class AccessorResourceIdentifierError(AccessorError):
    """A resource identifier makes no sense."""

    default_message = "The resource identifier is not valid: {resource_identifier}."

    def __init__(self, resource_identifier: Any, **kw: Any) -> None:
        details = {**kw.pop("details", {}), "resource_identifier": resource_identifier}
        super().__init__(kw.pop("message", None), details)


class AccessorFilesystemPathError(AccessorResourceIdentifierError):
    """There is no path for a resource identifier."""

    default_message = "There is no path for {resource_identifier}."


class AccessorResourceError(AccessorError):
    """Something is wrong with a resource."""

    default_message = "Something is wrong with {resource_identifier}"

    def __init__(self, operation: str = "", resource_identifier: Any = None, error: Any = None, **kw: Any) -> None:
        details = {"operation": operation, "resource_identifier": resource_identifier, "error": error}
        super().__init__(kw.pop("message", None), {**kw.pop("details", {}), **details})


class AccessorResourceNotFoundError(AccessorResourceError):
    """There is no such resource."""

    default_message = "There is no {resource_identifier}"


class AccessorParentResourceNotFoundError(AccessorResourceError):
    """What a resource would be in is not there."""

    default_message = "The parent of {resource_identifier} is missing"


class AccessorResourceInvalidError(AccessorResourceError):
    """A resource is not what it should be."""

    default_message = "{resource_identifier} is not what it should be"


class AccessorContainerNotEmptyError(AccessorResourceError):
    """A container has something in it."""

    default_message = "{resource_identifier} is not empty"


class StructureError(Error):
    """Something is wrong with a structure."""

    default_message = "Something is wrong with the structure."


class ConnectionClosedError(Error):
    """The session is closed."""

    default_message = "The connection is closed."


# --- what recordroom's own errors become ------------------------------------------------------------------


class _NotAuthenticated(ServerError, AuthenticationError):
    """Credentials that a server does not accept: caught as either."""


class _Denied(ServerError, PermissionDeniedError):
    """What the rules do not allow: caught as either."""


class _Duplicate(ServerError, NotUniqueError):
    """What exists already: caught as either."""


class _Missing(ServerError, NotFoundError):
    """What there is not: caught as either."""


_KINDS: tuple[tuple[type[errors.Error], type[Error]], ...] = (
    (errors.SessionClosed, ConnectionClosedError),
    (errors.MultipleResults, MultipleResultsFoundError),
    (errors.NoResult, NoResultFoundError),
    (errors.NotAuthenticated, _NotAuthenticated),
    (errors.TokenExpired, _NotAuthenticated),
    (errors.PermissionDenied, _Denied),
    (errors.NotUnique, _Duplicate),
    (errors.NotFound, _Missing),
    (errors.ComponentInLocation, LocationError),
    (errors.ComponentNotInLocation, LocationError),
    (errors.LocationNotConfigured, LocationError),
    (errors.LocationUnavailable, LocationError),
)


def translation(error: errors.Error) -> Error:
    """What an error of recordroom is for scripts; ServerError where it is nothing else."""
    kind = next((mine for theirs, mine in _KINDS if isinstance(error, theirs)), ServerError)
    made = kind.__new__(kind)
    # Scripts look for the names that a server gives to errors.
    message = "Server reported error: {}({})".format(*told(error)) if issubclass(kind, ServerError) else error.message
    Error.__init__(made, message)
    return made


@contextmanager
def translated() -> Iterator[None]:
    """Within the block, errors of recordroom leave as those of this module."""
    try:
        yield
    except errors.Error as error:
        raise translation(error) from error
