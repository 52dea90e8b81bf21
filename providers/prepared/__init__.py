"""Hosts that exist already, reached by ssh."""
