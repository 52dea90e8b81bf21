"""Alarms of a stage, and the silences that a run needs."""
