"""`{{ … }}` in values: Jinja2, in its sandbox, where what is undefined is a mistake. Pure."""

from model.templates.check import guessing, problems
from model.templates.paths import NFS, is_template, role_variables, templated, texts
from model.templates.references import looks_at, secrets_in
from model.templates.rendering import Rendered, Renderer

__all__ = [
    "NFS",
    "Rendered",
    "Renderer",
    "guessing",
    "is_template",
    "looks_at",
    "problems",
    "role_variables",
    "secrets_in",
    "templated",
    "texts",
]
