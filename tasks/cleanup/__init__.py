"""What no site.toml asks for any more: found, named and removed."""
