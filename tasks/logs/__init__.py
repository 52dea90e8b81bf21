"""Logs that the repository host keeps."""
