"""The documents, and what draws README's picture."""
