"""What differs between ftrack's names and those of the template `production`: tables, read by `names`.

Whatever stands in none of them has the name that it has here; a reference `status` is `status_id` too.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ALIASES",
    "BY_TYPE",
    "COMPOSITE",
    "CUSTOM",
    "CUSTOM_ROOTS",
    "EXCEPT",
    "FILTERED",
    "HIDDEN",
    "HIDDEN_TYPES",
    "KEYS",
    "OBJECT_TYPES",
    "PAIRS",
    "PAIR_COLLECTIONS",
    "PARENT_TYPES",
    "POLYMORPHIC",
    "POLYMORPHIC_TARGETS",
    "PROJECTIONS",
    "RENAMED",
    "TOLD",
    "TYPES",
    "UNIONS",
    "WORKED",
]

# What only recordroom has.
HIDDEN_TYPES = frozenset({"ProjectMember", "Rule", "Share", "Token", "Webhook"})

# Native type: its name there.
TYPES = {"Role": "SecurityRole"}

# Second names of types.
ALIASES = {"NoteCategory": "NoteLabel"}

# A type there that is several here.
UNIONS: dict[str, tuple[str, ...]] = {"Resource": ("User", "Group")}

# (native type, attribute): its name there. Subtypes inherit it.
RENAMED = {
    ("User", "name"): "username",
    ("User", "active"): "is_active",
    ("CustomAttributeConfiguration", "applies_to"): "entity_type",
    ("ProjectSchema", "schemas"): "_schemas",
    ("ProjectSchema", "task_workflow"): "_task_workflow",
    ("ProjectSchema", "version_workflow"): "_version_workflow",
    ("ProjectSchema", "task_type_schema"): "_task_type_schema",
    ("ProjectSchema", "overrides"): "_overrides",
}

HIDDEN = frozenset(
    {
        ("CustomAttributeConfiguration", "attribute"),
        ("FileComponent", "members"),
        ("Component", "members"),
        ("Note", "context"),
        ("Note", "version"),
        ("Note", "user"),
        ("Note", "list"),
        ("Job", "lease"),
        ("Job", "lease_ends"),
        ("Job", "worker"),
        ("Job", "attempts"),
        ("Job", "most_attempts"),
        ("Job", "due"),
        ("User", "external"),
        ("User", "roles"),
        ("User", "groups"),
        ("Group", "roles"),
        ("Group", "members"),
        ("Role", "users"),
        ("Role", "groups"),
    }
)

# What hides an attribute of a type and not of these.
EXCEPT: dict[tuple[str, str], tuple[str, ...]] = {("Component", "members"): ("ContainerComponent", "SequenceComponent")}

# (native type, reference): what its id is called, where that is not name_id alone.
KEYS: dict[tuple[str, str], tuple[str, ...]] = {
    ("Asset", "parent"): ("context_id", "parent_id"),
    ("Note", "author"): ("user_id", "author_id"),
}

# A reference there that is one of several here.
POLYMORPHIC: dict[str, dict[str, tuple[str, ...]]] = {
    "Note": {"parent": ("context", "version", "user", "list", "in_reply_to")},
    "Recipient": {"resource": ("user", "group"), "recipient": ("user", "group")},
    "Appointment": {"resource": ("user", "group")},
    "CalendarEventResource": {"resource": ("user",)},
}
POLYMORPHIC_TARGETS = {"parent": "Context", "resource": "Resource", "recipient": "Resource"}

# A collection there that is a part of one here: (native type, name): collection, attribute, its value.
FILTERED = {
    ("Context", "assignments"): ("appointments", "type", "assignment"),
    ("Context", "allocations"): ("appointments", "type", "allocation"),
    ("User", "assignments"): ("appointments", "type", "assignment"),
    ("User", "allocations"): ("appointments", "type", "allocation"),
    ("Group", "assignments"): ("appointments", "type", "assignment"),
    ("Group", "allocations"): ("appointments", "type", "allocation"),
}

# Types there whose rows are pairs of a links attribute here: (native owner, links attribute, name of the owner, name
# of the member). The collections of pairs: (native type, name): pair, whether it is the owner's.
PAIRS: dict[str, tuple[tuple[str, ...], str, str, str]] = {
    "UserSecurityRole": (("User",), "roles", "user", "security_role"),
    "Membership": (("User",), "groups", "user", "group"),
    "ListObject": (("TypedContextList", "AssetVersionList"), "items", "list", "entity"),
    "AssetVersionLink": (("AssetVersion",), "uses_versions", "to", "from"),
}
PAIR_COLLECTIONS = {
    ("User", "user_security_roles"): ("UserSecurityRole", True),
    ("User", "memberships"): ("Membership", True),
    ("Group", "memberships"): ("Membership", False),
    ("Role", "user_security_roles"): ("UserSecurityRole", False),
    ("AssetVersion", "incoming_links"): ("AssetVersionLink", True),
    ("AssetVersion", "outgoing_links"): ("AssetVersionLink", False),
}

# Keys of more than one part; every other type has `id`.
COMPOSITE: dict[str, tuple[str, ...]] = {
    "Recipient": ("note_id", "resource_id"),
    "SchemaStatus": ("schema_id", "task_status_id"),
    "SchemaType": ("schema_id", "task_type_id"),
    "NoteLabelLink": ("note_id", "label_id"),
    "NoteComponent": ("component_id", "note_id"),
    "JobComponent": ("job_id", "component_id"),
    "Setting": ("name", "group"),
    "CalendarEventResource": ("calendar_event_id", "resource_id"),
}

# What follows from the type of an entity: (native type, name): value by concrete native type, "" for the others.
BY_TYPE = {
    ("Context", "context_type"): {"Project": "show", "": "task"},
    ("Component", "system_type"): {"FileComponent": "file", "SequenceComponent": "sequence", "": "container"},
    ("User", "resource_type"): {"": "user"},
    ("Group", "resource_type"): {"": "group"},
    ("Job", "type"): {"": "api_job"},
    ("List", "system_type"): {"TypedContextList": "task", "": "assetversion"},
}

# Choices that there are not there, and how they are told: (native type, attribute).
TOLD = {("Job", "status"): {"cancelled": "failed"}}

# What is worked out from other things: (native type, name): its type in the schema.
WORKED: dict[tuple[str, str], dict[str, Any]] = {
    ("Context", "link"): {"type": "variable"},
    ("Context", "ancestors"): {"type": "array", "items": {"$ref": "Context"}},
    ("Context", "descendants"): {"type": "array", "items": {"$ref": "Context"}},
    ("Context", "created_by"): {"$ref": "User"},
    ("Context", "created_by_id"): {"type": "string"},
    ("AssetVersion", "link"): {"type": "variable"},
    ("AssetVersion", "is_latest_version"): {"type": "boolean"},
    ("Asset", "latest_version"): {"$ref": "AssetVersion"},
    ("Context", "thumbnail_url"): {"type": "variable"},
    ("AssetVersion", "thumbnail_url"): {"type": "variable"},
    ("User", "thumbnail_url"): {"type": "variable"},
    ("Note", "parent_type"): {"type": "string"},
    ("Note", "category"): {"$ref": "NoteCategory"},
    ("Note", "category_id"): {"type": "string"},
}

# What a note is about, by the reference that says it.
PARENT_TYPES = {"context": "task", "version": "asset_version", "user": "user", "list": "list", "in_reply_to": "note"}

# Native types that have custom attributes: the type of the values there, and what configurations call them.
CUSTOM = {
    "Project": ("ContextCustomAttributeValue", "show"),
    "TypedContext": ("ContextCustomAttributeValue", "task"),
    "AssetVersion": ("AssetVersionCustomAttributeValue", "assetversion"),
    "Asset": ("AssetCustomAttributeValue", "asset"),
    "List": ("ListCustomAttributeValue", "list"),
    "User": ("UserCustomAttributeValue", "user"),
}
# Types of such values: the native type that has all that are of it.
CUSTOM_ROOTS = {
    "ContextCustomAttributeValue": "Context",
    "AssetVersionCustomAttributeValue": "AssetVersion",
    "AssetCustomAttributeValue": "Asset",
    "ListCustomAttributeValue": "List",
    "UserCustomAttributeValue": "User",
}

OBJECT_TYPES = {
    "Task": "11c137c0-ee7e-4f9c-91c5-8c77cec22b2c",
    "Shot": "bad911de-3bd6-47b9-8b46-3476e237cb36",
    "Sequence": "e5139355-61da-4c8f-9db4-3abc870166bc",
    "Folder": "3c133785-51cb-11e3-980a-20c9d0831e59",
    "AssetBuild": "4be63b64-5010-42fb-bf1f-428af9d638f0",
    "Episode": "22139355-61da-4c8f-9db4-3abc870166bc",
    "Milestone": "01decdd1-51cb-11e3-9d5b-20c9d0831e59",
}

# What a query without `select` asks for; otherwise the key.
PROJECTIONS: dict[str, tuple[str, ...]] = {
    "Context": ("context_type", "id", "name"),
    "Component": ("id", "system_type"),
}
