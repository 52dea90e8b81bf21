"""The common part of the four clouds."""
