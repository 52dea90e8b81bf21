"""A site's monitoring, asked over ssh."""
