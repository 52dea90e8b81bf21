"""The tag of a thing in a cloud whose own tags can't be given as it is made: its description. Pure."""

from model.hosts.cloud_name import cloud_name
from model.stage import Stage

_WORDS = 3


def tag(stage: Stage, name: str, key: str) -> str:
    """Return the tag that a thing carries as its description: stage, name, key; at most 255 characters."""
    return f"{cloud_name(stage)} {name} {key}"


def parse_tag(stage: Stage, text: object) -> tuple[str, str]:
    """Return name and key from a description that is a tag of the stage, else two empty strings."""
    words = str(text or "").split()
    if len(words) != _WORDS or words[0] != cloud_name(stage):
        return "", ""
    return words[1], words[2]
