"""Templates (`{{ … }}`) in values: Jinja2, sandboxed, and strict about undefined names. Pure."""

from model.templates.check import problems, trial_renderer
from model.templates.paths import FIXED, NFS, is_template, role_variables, templatable, templates_in
from model.templates.references import (
    is_jinja,
    is_of_another_program,
    public_keys_used,
    refers_to,
    secrets_used,
)
from model.templates.rendering import RenderedService, Renderer

__all__ = [
    "FIXED",
    "NFS",
    "RenderedService",
    "Renderer",
    "is_jinja",
    "is_of_another_program",
    "is_template",
    "problems",
    "public_keys_used",
    "refers_to",
    "role_variables",
    "secrets_used",
    "templatable",
    "templates_in",
    "trial_renderer",
]
