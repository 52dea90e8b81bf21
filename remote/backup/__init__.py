"""Backups, as this machine asks the agents on hosts for them."""
