"""Backups of the running site: which there are, and how a service goes back to one."""
