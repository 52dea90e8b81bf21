"""Backups: what a hive saves and restores, what the repository host keeps."""
