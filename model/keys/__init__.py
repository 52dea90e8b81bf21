"""Inputs, their digests, and the records that resources leave. Pure."""
