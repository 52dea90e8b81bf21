"""Orphans and old versions: found, reported and removed; and a whole stage, taken down."""
