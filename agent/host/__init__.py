"""A host as the agent meets it: its files, its engine, what others tell it."""
