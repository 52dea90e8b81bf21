"""The running site for its people: health, containers, logs, and small changes that site.toml does not name."""
