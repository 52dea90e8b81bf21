"""The files in which a host's engine keeps what its containers say: read on, for whoever wants to know."""
