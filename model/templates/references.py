"""Find the names that a template refers to, without rendering it. Pure."""

import re
from collections.abc import Collection

from model.stage import Stage
from model.templates.paths import is_template, templates_in, variables
from model.templates.sandbox import environment

_NAMES = (
    "site",
    "stage",
    "hosts",
    "hives",
    "repository",
    "services",
    "vars",
    "secrets",
    "public_keys",
    "nfs",
)
_OURS = re.compile(rf"\{{\{{-?\s*({'|'.join(_NAMES)})\b")
"""An expression that begins with a name which templates have (`RenderContext.values`)."""
_GO = re.compile(r"\{\{-?\s*(?:[^}]*\s)?\.[A-Za-z]")
"""A field in a template of Go, as in `{{json .Name}}`, which Jinja2 would take for `json.Name`."""


def is_jinja(text: str) -> bool:
    """Return whether a text is a template of Jinja2's, if maybe with a slip: not another language with its braces."""
    if not is_template(text):
        return False
    if _OURS.search(text) or _GO.search(text):
        return _OURS.search(text) is not None
    from jinja2 import TemplateSyntaxError

    try:
        environment().parse(text)
    except TemplateSyntaxError:
        return False
    return True


def is_of_another_program(text: str) -> bool:
    """Return whether a template uses names, and none that templates of site.toml have, as `{{x}}`."""
    from jinja2 import TemplateAssertionError, TemplateSyntaxError, meta, nodes

    try:
        tree = environment().parse(text)
        used = meta.find_undeclared_variables(tree)
    except TemplateAssertionError:
        # It has a filter or test that Jinja2 lacks.
        return not any(node.name in _NAMES for node in tree.find_all(nodes.Name))
    except TemplateSyntaxError:
        return False
    return bool(used) and used.isdisjoint(_NAMES)


def secrets_used(text: str, stage: Stage) -> frozenset[str]:
    """Return the secrets that a text may use, even if only in a branch or through a variable."""
    return _used(text, stage, "secrets")


def public_keys_used(text: str, stage: Stage) -> frozenset[str]:
    """Return the secrets whose public keys a text may use."""
    return _used(text, stage, "public_keys")


def _used(text: str, stage: Stage, root: str) -> frozenset[str]:
    """Return the secrets that a text may use under a top-level name, also through variables."""
    known, tables = stage.site.secrets, variables(stage)
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [text]
    while waiting:
        one = waiting.pop()
        found |= _names_in(one, root, known)
        for name in _names_in(one, "vars", tables) - seen:
            seen.add(name)
            waiting += [part for _, part in templates_in(name, tables[name])]
    return frozenset(found)


def refers_to(text: str, root: str) -> bool:
    """Return whether a text may use a top-level name, as `services`."""
    return root in text and bool(_keys(text, root))


def _names_in(text: str, root: str, known: Collection[str]) -> set[str]:
    """Return the names under `root` that a template spells out; all known ones if it uses `root` in another way."""
    found = _keys(text, root) if root in text else []
    return set(known) if None in found else {name for name in found if name is not None and name in known}


def _keys(text: str, root: str) -> list[str | None]:
    """Return the key of each use of the name `root` in a template; None for a key that is not spelt out."""
    from jinja2 import TemplateSyntaxError, nodes

    if not is_template(text):
        return []
    try:
        tree = environment().parse(text)
    except TemplateSyntaxError:
        return []  # rendering reports it
    keys: list[str | None] = []
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        of = node.node if isinstance(node, nodes.Getattr | nodes.Getitem) else None
        if isinstance(of, nodes.Name) and of.name == root:
            if isinstance(node, nodes.Getattr):
                keys.append(node.attr)
            elif isinstance(node, nodes.Getitem):
                keys.append(str(node.arg.value) if isinstance(node.arg, nodes.Const) else None)
    alone = sum(node.name == root for node in tree.find_all(nodes.Name)) - len(keys)
    return [*keys, *[None] * alone]
