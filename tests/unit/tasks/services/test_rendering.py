"""Templates in a run: with its secrets, in its keys, out of its logs."""

from pathlib import Path

import pytest

from model.secrets.secret import Secret
from model.secrets.stage_secrets import generate
from tasks.deploy_services import steps
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tasks.run.vault import Vault
from tasks.services.missing_secrets import missing_secrets
from tasks.services.rendering import renderer_of, secrets_of
from tests import made
from tests.unit.model.templates.templated_site import SECRET, site


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


def test_a_hosts_short_name_in_a_constraint_is_its_full_one_in_the_swarm(world: made.Made) -> None:
    """Where it is deployed, and in its inputs, so that nothing that runs elsewhere counts as up to date."""
    world.edit(
        "[services.web]\n", '[services.web]\nplacement = { constraints = ["node.hostname != hive1"] }\n'
    )
    run = world.run()

    assert renderer_of(run).service("web").service.placement.constraints == [
        "node.hostname != p-hive1.example"
    ]
    standing = world.table()["deploy_services:web"]
    assert standing.inputs["service.placement.constraints[0]"] == '"node.hostname != p-hive1.example"'
