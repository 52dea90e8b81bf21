"""Logs that outlive their host: what containers and the journal say is sent to the repository host, and read there."""
