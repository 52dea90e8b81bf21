"""`{{ … }}` in values: what it may name, what it becomes, and what is said of one that can't be rendered."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from commands.run import missing_secrets
from model.errors import ConfigError
from model.secrets.secret import Secret
from model.secrets.stage_secrets import generate
from model.site import PublishedPort
from model.site_file.load import load, select
from model.stage import Stage
from model.templates import Renderer, secrets_used
from tasks.deploy_services import steps
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.run.vault import Vault
from tasks.services.rendering import renderer_of, secrets_of
from tests import made

SITE = """
site = "example"
[stages.private]
provider = "docker"
cidr = "10.0.0.0/24"
[stages.private.vars]
domain = "private.example"
[stages.production]
provider = "prepared"
ip_address_list = ["192.0.2.1", "192.0.2.2"]
[secrets]
db = { generate = 20 }
token = { env = "SKEP_TEST_TOKEN" }
[vars]
domain = "{{ stage }}.example.com"
replicas = 2
servers = ["a.{{ vars.domain }}", "b"]
url = "postgres://web:{{ secrets.db }}@{{ vars.domain }}"
items = "hides no method"
[services.db]
image = "nginx:1"
ports = ["5433:5432", "5353:53/udp", "54:53/tcp"]
[services.web]
image = "nginx:1"
"""
SEEN = (
    "there is a secret in it, which would be seen by whoever looks at the service or its processes; "
    "use it in environment, or give it as a file (secrets = [...])"
)
PLACEHOLDER = "a placeholder of Docker's own is written {{ '{{.Node.Hostname}}' }}"
SECRET = "correct-horse/battery"


def site(directory: Path, web: str, stage: str = "private") -> Stage:
    """Return a stage in which service `web` has these further lines."""
    (directory / "site.toml").write_text(SITE + web)
    return select(load(directory / "site.toml"), stage)


def renderer(stage: Stage) -> Renderer:
    """Return what renders with secrets that are known."""

    def published(name: str) -> Sequence[PublishedPort]:
        return stage.services[name].ports

    return Renderer(stage, lambda _name: Secret(SECRET), published, lambda: "files.example:/volumes/a")


def mistakes(directory: Path, web: str) -> list[str]:
    """Return what is said of a site when it is read."""
    with pytest.raises(ConfigError) as raised:
        site(directory, web)
    return [problem.removeprefix("site.toml: ") for problem in raised.value.problems]


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


def test_a_message_holds_no_secret(tmp_path: Path) -> None:
    """A mistake that a secret is part of is said without it, and nothing of it hangs on the error."""
    stage = site(tmp_path, "")

    with pytest.raises(ConfigError) as raised:
        renderer(stage).text("here", "{{ vars[secrets.db] }}")

    assert "there is no variable '[redacted]'" in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ vars.domain }}", set()),
        ("secrets.db", set()),
        ("{{ secrets.db }}", {"db"}),
        ("{{ secrets['token'] }}", {"token"}),
        ("{% if vars.replicas > 3 %}{{ secrets.db }}{% endif %}", {"db"}),
        ("{{ vars.url }}", {"db"}),
        ("{{ vars[stage] }}", {"db"}),
        ("{% for name in secrets %}{{ secrets[name] }}{% endfor %}", {"db", "token"}),
        ("{{ secrets.nope }}", set()),
    ],
)
def test_which_secrets_a_template_may_look_at(tmp_path: Path, text: str, names: set[str]) -> None:
    """Known without rendering, so that no other secret has to be there; where it is not spelt out, all are."""
    assert secrets_used(text, site(tmp_path, "")) == names


def test_jinja_is_imported_only_for_a_template(tmp_path: Path) -> None:
    """A site without `{{` does not pay for it."""
    (tmp_path / "site.toml").write_text(SITE.partition("[vars]")[0])
    code = (
        "import sys; from pathlib import Path; from model.site_file.load import load; "
        f"load(Path({str(tmp_path)!r}, 'site.toml')); sys.exit('jinja2' in sys.modules)"
    )

    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[4], check=False).returncode
        == 0
    )


# -- in a run ----------------------------------------------------------------------------------------------------------


def run_of(directory: Path, web: str) -> Run:
    """Return a run whose stage has its vault."""
    run = new_run(directory, site(directory, web), State(directory / "state" / "private"))
    run.secrets.keep(Vault(generate("example", "private"), {"db": Secret(SECRET)}))
    return run


def test_only_secrets_that_are_used_have_to_be_there(tmp_path: Path) -> None:
    """One that no template of what is deployed looks at is no error; one that is looked at is named."""
    tasks = {"deploy_services:db", "deploy_services:web"}

    assert missing_secrets(run_of(tmp_path, ""), tasks) == []
    run = run_of(tmp_path, 'environment = { TOKEN = "{{ secrets.token }}" }')
    assert missing_secrets(run, tasks) == [
        "secrets.token: the environment variable SKEP_TEST_TOKEN is not set"
    ]
    assert missing_secrets(run, {"deploy_services:db"}) == []


def test_what_only_the_real_secret_shows_is_said_before_anything_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A template that takes a secret apart is tried with that secret, before the first task runs."""
    run = run_of(tmp_path, "environment = { HALF = \"{{ secrets.token.split(':')[1] }}\" }")
    tasks = {"deploy_services:web"}

    monkeypatch.setenv("SKEP_TEST_TOKEN", "whole")
    assert missing_secrets(run, tasks) == [
        "services.web.environment.HALF: list object has no element 1",
    ]
    monkeypatch.setenv("SKEP_TEST_TOKEN", "one:half")
    assert missing_secrets(run, tasks) == []


def test_a_generated_secret_of_a_template_is_made(tmp_path: Path) -> None:
    """The vault holds what templates look at, and what roles get through them."""
    run = run_of(tmp_path, 'initialize_roles = [{ role = "trust-ca", vars = { X = "{{ vars.url }}" } }]')

    assert secrets_of(run.stage, run.directory, ["web"]) == {"db"}
    assert secrets_of(run.stage, run.directory, ["db"]) == set()


def test_what_a_secret_made_is_kept_out_of_logs(tmp_path: Path) -> None:
    """The whole text, as a filter has left it; what stands in the template itself is no secret."""
    run = run_of(
        tmp_path, 'environment = { A = "{{ secrets.db | upper }}", B = "long enough\\n{{ secrets.db }}" }'
    )

    renderer_of(run).service("web")

    assert run.secrets.redact(f"{SECRET.upper()} {SECRET}") == "[redacted] [redacted]"
    assert run.secrets.redact("long enough") == "long enough"


def test_a_secret_is_found_before_its_beginning(tmp_path: Path) -> None:
    """Where one secret is the beginning of another, nothing of the longer one is left."""
    run = run_of(tmp_path, "")
    for text in ("12345678", "12345678-longer", "12345678-longer-still"):
        run.secrets.hide(Secret(text))

    assert run.secrets.redact("12345678-longer-still") == "[redacted]"


@pytest.fixture
def world(tmp_path: Path) -> made.Made:
    """Return a made site with a service that has templates."""
    world = made.new(tmp_path)
    world.edit(
        'environment = { GREETING = "hello" }', "environment = { A = '{{ vars.a }}', P = '{{ vars.p }}' }"
    )
    world.edit("[secrets]", "[vars]\na = 'one'\nb = 'two'\np = '{{ secrets.password }}'\n[secrets]")
    world.make()
    return world


def test_a_variable_that_nothing_uses_makes_nothing_stale(world: made.Made) -> None:
    """Inputs are what comes out: another variable, or another way to the same text, changes none."""
    world.edit("b = 'two'", "b = 'three'\nc = 'new'")
    world.edit("'{{ vars.a }}'", "'{{ vars.a | lower }}'")

    assert [name for name in world.table().names if world.table()[name].status != "up to date"] == []


def test_the_value_that_changed_is_named(world: made.Made) -> None:
    """With what it was and is; of one with a secret in it, only that it changed."""
    world.edit("a = 'one'", "a = 'other'")
    world.edit("p = '{{ secrets.password }}'", "p = 'x{{ secrets.password }}'")

    standing = world.table()["deploy_services:web"]

    assert standing.reasons() == [
        'services.web.environment.A: "one" → "other"',
        "services.web.environment.P changed",
    ]
    assert standing.inputs["service.environment.P"].startswith("hmac:")
    password = world.run().secrets.read("password").reveal()
    assert password not in "".join(path.read_text() for path in world.run().state.traces.rglob("*.json"))


def test_a_template_is_revealed_only_to_the_engine(world: made.Made) -> None:
    """No step of a service holds the secret in what is printed of it."""
    run = world.run()
    password = run.secrets.read("password").reveal()

    assert password not in repr([*steps(run)])
    assert password not in repr(renderer_of(run).service("web"))
