"""One run: its stage, state, connections, secrets and logs."""
