"""One run: its state, secrets, connections, locks and logs."""
