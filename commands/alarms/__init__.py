"""Commands for alarms."""
