"""A site's page: read, drawn as HTML, written to a file or served on the loopback."""
