"""Hosts that are replaced one at a time, or leave the stage."""
