"""site.toml: its strict loading, its schema and its reference. Pure."""
