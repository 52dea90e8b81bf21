"""Names of a stage's things in a cloud account that many sites may share. Pure."""

import re

from model.keys.digest import canonical, sha256
from model.stage import Stage

_DIGEST = 8


def cloud_name(stage: Stage, *words: str, limit: int = 63) -> str:
    """Return a name that no other site or stage of the account uses.

    Letters, digits and `-` only, and a letter at the beginning, as every cloud allows. What is readable in it is cut to
    the limit; what tells it from others is the digest at its end.

    Args:
        stage: The stage.
        words: What it is in the stage, as `hive0`.
        limit: The longest that the cloud takes.

    """
    names = (stage.site_name, stage.name, *words)
    readable = "-".join(("skep", *(re.sub(r"[^a-z0-9]+", "-", name.lower()) for name in names)))
    return f"{readable[: limit - _DIGEST - 1].rstrip('-')}-{sha256(canonical(names))[:_DIGEST]}"
