"""Secrets that don't print, the stage's own secrets, and its certificates. Pure."""
