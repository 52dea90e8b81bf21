"""The machine that doit runs on: files, processes, waits, locks."""
