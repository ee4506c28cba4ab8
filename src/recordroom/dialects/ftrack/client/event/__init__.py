"""Events as scripts see them: the hub, its subscribers, and expressions."""
