"""What Docker secrets and configs are called: by their content, so that another content is another one. Pure."""

DIGITS = 12
"""Of the content's digest; enough that two contents of one name differ."""
LONGEST = 64 - 1 - DIGITS
"""Characters that a name in site.toml may have: Docker takes 64, the digest and a dash among them."""


def content_name(name: str, digest: str) -> str:
    """Return what something of site.toml is called in Docker.

    Args:
        name: Its name in site.toml.
        digest: The digest of its content, with what it is made by: `hmac:…`, `sha256:…`.

    """
    return f"{name}-{digest.partition(':')[2][:DIGITS]}"
