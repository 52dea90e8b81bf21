"""Commands for those who live in a site: see it, reach into it, change it a little."""
