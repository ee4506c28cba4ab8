"""Sessions: the unit of work, the identity map, entities, and how they reach a room."""
