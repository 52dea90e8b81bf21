"""Shared by the commands: the current run, its lock, the console, doit's reporter and database."""
