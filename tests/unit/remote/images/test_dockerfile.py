"""Building a Dockerfile: the command."""

from remote.images.dockerfile import build_command


def test_the_build_command() -> None:
    """Its context comes on its input; an image of limited age takes nothing from the cache."""
    assert "docker build  --network host -t skep/dockerfile:k -" in build_command(
        "skep/dockerfile:k", anew=False
    )
    assert "--no-cache --pull" in build_command("t", anew=True)
