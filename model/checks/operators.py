"""Check `[operators]`: names, and public ssh keys that hosts accept. No message shows what was pasted."""

import re
from collections.abc import Iterator

from model import site as types
from model.keys.public_key import is_private, strict_key
from model.toml_text import key_text, short_text

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._@-]{0,62}[A-Za-z0-9])?")


def check_operators(site: types.Site) -> Iterator[str]:
    """Yield the mistakes in the site's operators."""
    owners: dict[str, str] = {}
    for name, keys in site.operators.items():
        path = f"operators.{key_text(name)}"
        if not _NAME.fullmatch(name):
            yield (
                f"operators: {short_text(name)} is not a name: letters, digits, `.`, `_`, `@` and `-`, at most 64 "
                "characters, with a letter or digit at both ends"
            )
        if not keys:
            yield f"{path}: has no key: write one, or take the line out to let {short_text(name)} in no longer"
        for i, text in enumerate(keys):
            where = f"{path}[{i}]" if len(keys) > 1 else path
            if is_private(text):
                yield (
                    f"{where}: is a private key, which now is known to all who can read site.toml: make another one "
                    "(ssh-keygen -t ed25519), and paste the line of its .pub file"
                )
                continue
            try:
                key = strict_key(text)
            except ValueError as error:
                yield f"{where}: {error}"
                continue
            other = owners.setdefault(key, where)
            if other != where:
                yield f"{where}: is the key of {other}: who is taken out would be let in by the other, so write it once"
