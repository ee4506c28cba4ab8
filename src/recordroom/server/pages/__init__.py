"""Pages for people: what an entity is, one's tasks, and the tree of a project. To look at only, as the actor of a ticket."""
