"""Templates in places where none is rendered are refused, and braces of other languages are not."""

from pathlib import Path

import pytest

from model import templates
from model.secrets.secret import Secret
from model.site_file.load import load, select
from model.templates.references import _OURS
from model.templates.render_context import RenderContext
from tests.unit.model.good_site import GOOD, problems

HERE = "templates are not rendered here; write the value itself"
KEY = "templates in keys are not rendered, only those in values; write the key itself"


def with_role_of_ansible(directory: Path) -> None:
    """Add a role of Ansible."""
    tasks = directory / "roles" / "play" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text("[]\n")


def image(text: str) -> str:
    """Return the site with keys added to its image."""
    return GOOD.replace('from = "debian:12"', f'from = "debian:12"\n{text}')


def service(text: str) -> str:
    """Return the site with keys added to its service."""
    return GOOD.replace('image = "web"', f'image = "web"\n{text}')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (image('env = { A = "{{ stage }}" }'), f"images.web.env.A: {HERE}, or set it in a service"),
        (image('command = ["x", "{% if a %}b{% endif %}"]'), f"images.web.command[1]: {HERE}"),
        (image('vars = { A = "{{ vars.a }}" }'), f"images.web.vars.A: {HERE} (only roles of Ansible"),
        (
            image('vars = { A = "{{ vars.a | upcase }}" }'),
            f"images.web.vars.A: {HERE} (only roles of Ansible",
        ),
        (image('vars = { A = [{ b = "{{ vars.a }}" }] }'), f"images.web.vars.A[0].b: {HERE}"),
        (GOOD.replace("PORT = 80", 'PORT = "{{ 80 }}"'), f"images.web.roles[1].vars.PORT: {HERE}"),
        (service('try = ["curl {{ stage }}/{address}"]'), f"services.web.try[0]: {HERE}; {{address}} is all"),
        (service('hosts = { "{{ stage }}.test" = "192.0.2.1" }'), f"services.web.hosts: {KEY}"),
        (service('environment = { "{{ stage }}" = "a" }'), f"services.web.environment: {KEY}"),
        (GOOD + '[vars]\na = { "{{ stage }}" = 1 }\n', f"vars.a: {KEY}"),
        (GOOD + '[secrets.a]\ncommand = "pass show {{ stage }}"\n', f"secrets.a.command: {HERE}"),
        (GOOD + '[setup_hosts.daemon]\ndebug = "{{ vars.a }"\n', f"setup_hosts.daemon.debug: {HERE}"),
        (
            GOOD + '[setup_hosts.users.a]\ngroups = ["{{ stage }}"]\n',
            f"setup_hosts.users.a.groups[0]: {HERE}",
        ),
    ],
)
def test_a_template_that_nobody_renders_is_a_mistake(site_dir: Path, text: str, problem: str) -> None:
    """Wherever it is in site.toml, one line says where and what to write instead."""
    assert [line for line in problems(site_dir, text) if line.startswith(problem)], problems(site_dir, text)


@pytest.mark.parametrize(
    "text",
    [
        service('environment = { A = "{{ stage }}" }\nlabels = { a = ["{{ site }}"] }'),
        service("hostname = \"{{ '{{.Node.Hostname}}' }}\""),
        service('initialize_roles = [{ role = "nginx", vars = { A = "{{ stage }}" } }]'),
        GOOD.replace('hosts = ["hive0"]', 'hosts = ["hive0"]\ndriver_opts = { o = "{{ stage }}" }'),
        image("vars = { A = '{{x}}', B = ['{{ $labels.instance }}'] }"),
        image("vars = { A = '{{ name | upcase }}', B = '{{ a is blank }}' }"),
        GOOD + '[vars]\na = ["{{ stage }}"]\n[stages.private.vars]\nb = "{{ vars.a }}"\n',
        GOOD + '[configs.a]\ntext = "{{ not ours }}"\ntemplate = false\n',
        GOOD + '[setup_hosts.daemon]\nlog-opts = { tag = "{{.Name}}/{{.ID}}" }\n',
        image('env = { PS_FORMAT = "table {{json .Names}}", A = "${b}}", C = "{d}" }'),
        GOOD.replace('"nginx", { role = "nginx", vars', '{ role = "play", vars').replace(
            "= 80 }", '= "{{ a }}" }'
        ),
        image('vars = { A = "{{ a }}" }').replace('["nginx", ', '["play", '),
    ],
)
def test_templates_that_are_rendered_and_other_languages_stay(site_dir: Path, text: str) -> None:
    """Skep's places, Ansible's variables, `template = false`, and braces that are no Jinja2."""
    with_role_of_ansible(site_dir)
    (site_dir / "site.toml").write_text(text)

    load(site_dir / "site.toml")


def test_a_slip_in_a_template_is_known_by_its_names(site_dir: Path) -> None:
    """A template with a mistake of syntax is skep's if it begins with one of the names of templates."""
    (site_dir / "site.toml").write_text(GOOD)
    stage = select(load(site_dir / "site.toml"), "private")
    names = RenderContext(stage, lambda _name: Secret("x"), lambda _name: [], str).values()

    assert set(names) == set(_OURS.pattern.partition("(")[2].partition(")")[0].split("|"))
    assert all(templates.is_jinja(f"{{{{ {name}.x }}") for name in names)
    assert not templates.is_jinja("{{ .x }")
