"""Templates (`{{ … }}`) in values: Jinja2, sandboxed, and strict about undefined names. Pure."""

from model.templates.check import guessing, problems
from model.templates.paths import NFS, is_template, role_variables, templated, texts
from model.templates.references import refers_to, secrets_used
from model.templates.rendering import RenderedService, Renderer

__all__ = [
    "NFS",
    "RenderedService",
    "Renderer",
    "guessing",
    "is_template",
    "problems",
    "refers_to",
    "role_variables",
    "secrets_used",
    "templated",
    "texts",
]
