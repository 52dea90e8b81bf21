"""Values with their templates rendered."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.secrets.secret import Secret
from model.site import PublishedPort
from model.stage import Stage
from model.templates import Renderer
from tests.unit.model.templates.templated_site import SECRET, site


def renderer(stage: Stage) -> Renderer:
    """Return what renders with secrets that are known."""

    def published(name: str) -> Sequence[PublishedPort]:
        return stage.services[name].ports

    return Renderer(stage, lambda _name: Secret(SECRET), published, lambda: "files.example:/volumes/a")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("as it is", "as it is"),
        ("{{ site }}/{{ stage }}", "example/private"),
        ("{{ vars.domain }}", "private.example"),
        ("{{ vars['replicas'] + 1 }}", "3"),
        ("{{ vars.servers | join(' ') }}", "a.private.example b"),
        ("{{ vars.items }}", "hides no method"),
        ("{{ vars.other | default('none') }}{% if 'other' in vars %}!{% endif %}", "none"),
        ("{{ hosts.hive0.name }}={{ hosts['hive0'].address }}", "p-hive0.example=10.0.0.10"),
        ("{% for name in hosts %}{{ name }} {% endfor %}", "hive0 hive1 hive2 hive3 "),
        ("{{ hives | map(attribute='short') | join(',') }}", "hive0,hive1,hive2"),
        ("{{ repository.short }}", "hive3"),
        ("{{ services.db.ports[5432] }}", "5433"),
        ("{{ services.db.ports['53/udp'] }},{{ services.db.ports[53] }}", "5353,54"),
        ("{{ '{{.Node.Hostname}}' }}\n", "{{.Node.Hostname}}\n"),
        ("<{{ '<&>' }}>", "<<&>>"),
        ("a {{ site }}\r\nb\n\r\n", "a example\r\nb\n\r\n"),
        ("a\r{{ site\r\n }}\r\n{%- if true -%}\r\n b{% endif %}\r", "a\rexampleb\r"),
        ("\x1f\r\n{{ site }}", "\x1f\r\nexample"),
        ("\ufeff{{ site }}\n\n", "\ufeffexample\n\n"),
        ("{{ site }}{# a word -#} \r\n {#- another\n#}!", "example!"),
        ("{{ site }}{#---- a ----#}{#=====#}{#### b ####}{#- c -#}!", "example!"),
        ("{{ site }}{% raw %}{#x#} {{ y }}\r\n{% endraw %}{{ '{#' }}", "example{#x#} {{ y }}\r\n{#"),
    ],
)
def test_what_a_template_may_name(tmp_path: Path, text: str, made: str) -> None:
    """Site, stage, hosts, ports of services, variables; nothing is escaped, no line break is lost."""
    assert renderer(site(tmp_path, "")).text("here", text) == made


def test_a_stage_has_variables_of_its_own(tmp_path: Path) -> None:
    """What a stage says takes the place of what the site says; the rest stays."""
    stage = site(tmp_path, "", "production")

    assert renderer(stage).text("here", "{{ vars.domain }} {{ vars.replicas }}") == "production.example.com 2"


@pytest.mark.parametrize(
    "text",
    [
        "{{ secrets.db }}",
        "{{ secrets['db'] | upper }}",
        "{{ vars.url }}",
        "{% if secrets.db %}yes{% endif %}",
        "{{ secrets.db | length }}",
    ],
)
def test_what_a_secret_went_into_is_a_secret(tmp_path: Path, text: str) -> None:
    """However it was looked at, and whatever became of it."""
    assert isinstance(renderer(site(tmp_path, "")).text("here", text), Secret)


def test_every_free_text_of_a_service_is_rendered(tmp_path: Path) -> None:
    """In tables and lists, at any depth; what has a secret in it is kept apart from the rest of the environment."""
    web = """
command = ["serve", "{{ vars.domain }}"]
labels = { at = "{{ site }}", deep = [{ er = "{{ stage }}" }] }
hosts = { db = "{{ hosts.hive1.address }}" }
healthcheck = { test = "test {{ vars.replicas }} -gt 1" }
environment = { URL = "{{ vars.url }}", NAME = "{{ site }}", NUMBER = 1 }
"""
    stage = site(tmp_path, web)

    found = renderer(stage).service("web", stage.services["web"])

    assert found.service.command == ["serve", "private.example"]
    assert found.service.labels == {"at": "example", "deep": [{"er": "private"}]}
    assert found.service.hosts == {"db": "10.0.0.11"}
    assert found.service.healthcheck is not None
    assert found.service.healthcheck.test == "test 2 -gt 1"
    assert found.service.environment == {"NAME": "example", "NUMBER": 1}
    assert {name: secret.reveal() for name, secret in found.environment.items()} == {
        "URL": f"postgres://web:{SECRET}@private.example"
    }


def test_a_message_holds_no_secret(tmp_path: Path) -> None:
    """A mistake that a secret is part of is said without it, and nothing of it hangs on the error."""
    stage = site(tmp_path, "")

    with pytest.raises(ConfigError) as raised:
        renderer(stage).text("here", "{{ vars[secrets.db] }}")

    assert "there is no variable '[redacted]'" in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
