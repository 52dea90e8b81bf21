"""Templates that can't be rendered are reported when site.toml is read."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from model.site_file.load import load
from tests.unit.model.templates.templated_site import SITE, site

SEEN = (
    "there is a secret in it, which would be seen by whoever looks at the service or its processes; "
    "use it in environment, or give it as a file (secrets = [...])"
)


PLACEHOLDER = "a placeholder of Docker's own is written {{ '{{.Node.Hostname}}' }}"


def mistakes(directory: Path, web: str) -> list[str]:
    """Return what is said of a site when it is read."""
    with pytest.raises(ConfigError) as raised:
        site(directory, web)
    return [problem.removeprefix("site.toml: ") for problem in raised.value.problems]


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    """Each with its path, when site.toml is read: before anything is touched."""
    web = """
command = ["{{ secrets.db }}"]
hosts = { db = "{{ vars.domain }}" }
labels = { a = "{{ vars.nope }}" }
initialize_roles = [{ role = "trust-ca", vars = { X = "{{ hosts.hive9.name }}" } }]
[services.web.environment]
A = "{{ nope }}"
B = "{{ secrets.nope }}"
C = "{{ services.db.ports[80] }}"
D = "{{.Node.Hostname}}"
E = "{{ [].__class__ }}"
F = "{{ secrets.token.split(':')[1] }}"
G = "{{ secrets.db[30] }}"
"""
    seen = mistakes(tmp_path, web)

    assert [line.partition(": ")[::2] for line in seen if "(there are: hive0, hive1)" not in line] == [
        ("services.web.command[0]", SEEN),
        ("services.web.environment.A", "'nope' is undefined"),
        ("services.web.environment.B", "there is no secret 'nope' (there are: db, token)"),
        (
            "services.web.environment.C",
            "service db publishes no port 80 (it has: 5432/tcp, 53/udp, 53/tcp)",
        ),
        ("services.web.environment.D", f"unexpected '.'; {PLACEHOLDER}"),
        ("services.web.environment.E", "access to attribute '__class__' of 'list' object is unsafe."),
        ("services.web.environment.G", "str object has no element 30"),
        (
            "services.web.labels.a",
            "there is no variable 'nope' (there are: domain, items, replicas, servers, url)",
        ),
        (
            "services.web.initialize_roles[0].vars.X",
            "there is no host 'hive9' (there are: hive0, hive1, hive2, hive3)",
        ),
    ]
    assert len(seen) == 10, "the other stage has other hosts"


def test_what_comes_out_is_checked_too(tmp_path: Path) -> None:
    """An address that a template makes must be one, as if it stood there."""
    assert mistakes(tmp_path, 'hosts = { db = "{{ vars.domain }}" }') == [
        "services.web.hosts.db: 'private.example' is not an address",
        "services.web.hosts.db: 'production.example.com' is not an address",
    ]


def test_a_variable_is_not_made_from_itself(tmp_path: Path) -> None:
    """Not through another one, either."""
    (tmp_path / "site.toml").write_text(
        SITE.replace("[vars]", '[vars]\na = "{{ vars.b }}"\nb = "{{ vars.a }}"')
    )

    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "site.toml")

    assert all(problem.endswith("it is made from itself") for problem in raised.value.problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ range .x }}{{ end }}", "it has a name of jinja2's own, which has no 'x'"),
        ("{{ range }}", "its value is no text: for a list that map or select makes, add | join(',')"),
        ("{{ self }}", "its value is no text"),
        ("{{ hives | map(attribute='name') }}", "its value is no text"),
        (
            "{{ hosts }}",
            "a whole table is no text: name one of its entries, or join them: {{ hosts | join(',') }}",
        ),
        ("{% include 'x' %}", "no loader for this environment specified"),
        ("{{ 1 / 0 }}", "division by zero"),
    ],
)
def test_what_is_of_another_program_has_the_way_out(tmp_path: Path, text: str, said: str) -> None:
    """A name that jinja2 happens to have would be written as Python shows it, with an address in memory."""
    config = f'[configs.a]\ntext = """{text}"""\n'

    [line] = mistakes(tmp_path, f'configs = ["a"]\n{config}')

    assert line.startswith(f"configs.a.text: {said}")
    assert line.endswith(
        "template = false uses the content as it is, and {{ '{{' }} in a template stands for {{"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [("domain", "vars.domain"), ("db", "secrets.db"), ("hive_name", "site"), ("groups", "hives, or hosts")],
)
def test_a_bare_name_is_told_with_its_whole_one(tmp_path: Path, name: str, meant: str) -> None:
    """hive-builder's variables and secrets have no table before them."""
    assert mistakes(tmp_path, f'environment = {{ A = "{{{{ {name} }}}}" }}\n') == [
        f"services.web.environment.A: {name!r} is undefined: write {meant}"
    ]
