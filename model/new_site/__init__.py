"""A new site: the texts of its first files. Pure."""
