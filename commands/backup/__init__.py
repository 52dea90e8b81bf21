"""Commands for backups: make them, list them, try them, go back to one."""
