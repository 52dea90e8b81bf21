"""Compose and stack files: read as Docker reads them, and said in site.toml as far as that can be. Pure.

What a key means is in https://github.com/compose-spec/compose-spec (05-services.md, deploy.md, 06 to 09, build.md), and
for `docker stack deploy` in docker/cli, cli/compose.
"""
