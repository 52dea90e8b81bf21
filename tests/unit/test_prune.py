"""`doit prune`: what is left over is found and named, and goes only where nothing that stays uses it."""

import io
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doit.doit_cmd import reset_vars, set_var
from doit.exceptions import InvalidCommand

from commands import prune as command
from commands.prune import Prune
from model.record import VolumeRecord
from remote.hostsetup.apply import Applied
from remote.hostsetup.undo import accounts_script, undo_script
from tasks.leftovers import Leftover, leftovers, line
from tasks.prune import goes
from tasks.run import Run
from tests import made as rig
from tests.made import Made


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a site that is wholly made."""
    site = rig.new(tmp_path)
    site.make()
    return site


def labelled(made: Made, **more: Any) -> dict[str, Any]:
    """Return something of the swarm with the stage's labels."""
    return {"Spec": {"Labels": made.run().stage.labels, **more}}


def names(made: Made) -> list[str]:
    """Return what is left over, in words."""
    return [left.words for left in leftovers(made.run())]


def without_services(made: Made) -> None:
    """Take images and services out of site.toml."""
    path = made.directory / "site.toml"
    path.write_text(path.read_text().partition("[images.web]")[0])


def test_nothing_is_left_over(made: Made) -> None:
    """A stage that is as site.toml says has nothing to be named."""
    assert leftovers(made.run()) == []
    assert line([]) == ""


def test_the_order_in_which_things_go(made: Made) -> None:
    """What uses something goes before it, and data last; nothing holds anything, as its users go as well."""
    without_services(made)
    made.edit("[networks.back]", "[networks.front]")
    made.look("hive0", steps={**made.hosts["hive0"].steps, "old": Applied("k")}, accounts=("alice",))

    found = leftovers(made.run())

    assert [left.kind for left in found] == [
        "service",
        "network",
        "Docker secret",
        "image",
        "image",
        "set-up step",
        "account",
        "volume",
    ]
    assert {left.held for left in found} == {""}


def test_what_a_service_that_stays_uses_is_held(made: Made) -> None:
    """A network that site.toml no longer has, but its service has not left yet, waits for a run."""
    made.edit("[networks.back]", "[networks.front]")

    (left,) = leftovers(made.run())

    assert (left.words, left.held) == ("network back", "in use by web")
    assert not goes(left, ())


@pytest.mark.parametrize("spec", ["Spec", "PreviousSpec"])
def test_secrets_and_configs_in_use_are_none(made: Made, spec: str) -> None:
    """What a service that stays uses, or would go back to, stays with it."""
    used = {"Secrets": [{"SecretID": "s"}], "Configs": [{"ConfigID": "c"}]}
    service = {"PreviousSpec": {"TaskTemplate": {}}, **made.swarm.services["web"]}
    service[spec]["TaskTemplate"]["ContainerSpec"] = used
    made.swarm = replace(
        made.swarm,
        services={"web": service},
        secrets={**made.swarm.secrets, "gone-1": {"ID": "s", **labelled(made)}},
        configs={"conf-1": {"ID": "c", **labelled(made)}, "conf-0": {"ID": "b", **labelled(made)}},
    )

    found = {left.name: left.held for left in leftovers(made.run())}

    assert found == {"gone-1": "in use by web", "conf-0": ""}


def test_an_older_content_is_not_worth_a_word(made: Made) -> None:
    """It is removed by the way; no run speaks of it."""
    secret = labelled(made)
    secret["Spec"]["Labels"] = {**secret["Spec"]["Labels"], "skep.name": "password"}
    made.swarm = replace(made.swarm, secrets={**made.swarm.secrets, "password-old": {"ID": "o", **secret}})

    (left,) = leftovers(made.run())

    assert (left.name, left.said, goes(left, ())) == ("password-old", "an older content of password", True)
    assert line([left]) == ""


def test_a_vault_on_a_former_repository(made: Made) -> None:
    """A copy of the secrets that a host should no longer have is left over; the repository's is not."""
    made.look("hive0", steps={**made.hosts["hive0"].steps, "vault": Applied("k")})

    assert names(made) == ["set-up step vault on hive0"]


def test_somebody_elses_volume_is_none(made: Made) -> None:
    """Only what carries this stage's labels is looked at; a volume on a host that should not have it counts."""
    other = {"Labels": {"skep.site": "example", "skep.stage": "staging"}}
    mine = {"Labels": made.run().stage.labels}
    made.look("hive1", volumes={"theirs": {"Name": "theirs", **other}, "data": {"Name": "data", **mine}})

    assert names(made) == ["volume data on hive1"]


def test_a_volume_goes_only_if_it_is_named() -> None:
    """Data is never destroyed on the way to something else; one in use does not even go then."""
    left = Leftover("volume", "data", "build_volumes:data@hive0", host="hive0")

    assert not goes(left, ())
    assert not goes(left, {"other"})
    assert goes(left, {"data"})
    assert not goes(replace(left, held="in use by web"), {"data"})


def test_a_host_goes_only_with_all_of_its_volumes_named(made: Made, removed: list[str]) -> None:
    """Its data would go with it: of one that does not answer, what is recorded there counts."""
    made.edit("number_of_hosts = 3", "number_of_hosts = 4")
    made.make()
    made.run().state.write("build_volumes:old@hive3", VolumeRecord("i"))
    made.edit("number_of_hosts = 4", "number_of_hosts = 3")

    (host,) = [left for left in leftovers(made.run()) if left.kind == "host"]

    assert host.words == "host hive3"
    assert "host hive3" in line([host])
    _, said = prune(made, confirm="example")
    assert "host hive3 stays: volume old would go with it" in said
    assert "volumes=old" in said
    assert "host hive3" not in removed
    assert prune(made, confirm="example", volumes="old")[0] == 0
    assert "host hive3" in removed
    assert [host.short for host in made.run().former_hosts] == ["hive3"]


def test_a_host_that_services_pull_from_stays(made: Made) -> None:
    """The former repository host is held by the services whose images come from there."""
    made.edit("number_of_hosts = 3", "number_of_hosts = 4")
    made.make()
    made.edit("number_of_hosts = 4", "number_of_hosts = 3")
    service = made.swarm.services["web"]
    service["Spec"]["TaskTemplate"]["ContainerSpec"] = {"Image": "p-hive3.example:5000/web@sha256:1"}

    (host,) = [left for left in leftovers(made.run()) if left.kind == "host"]

    assert host.held == "in use by web"
    assert not goes(host, ())


def test_a_node_of_no_hive_is_left_over(made: Made) -> None:
    """A node with a name of the stage's that is none of its hives counts for the swarm's majority; others' do not."""
    names_of = {"a": "p-hive9.example", "b": "theirs.example", "c": "p-hive2.example", "d": "p-hive0.example"}
    nodes = {id_: {"ID": id_, "Description": {"Hostname": name}} for id_, name in names_of.items()}
    made.swarm = replace(made.swarm, nodes={**made.swarm.nodes, **nodes})

    # hive2 is the repository.
    assert names(made) == ["swarm node hive9", "swarm node hive2"]


def test_a_run_says_it_in_one_line() -> None:
    """What is on several hosts is named once; of many things the first are."""
    steps = [Leftover("set-up step", "chrony", "t", host=f"hive{n}") for n in range(3)]
    services = [Leftover("service", f"s{n}", "t") for n in range(7)]

    assert line(steps) == (
        "no longer in site.toml, and left: set-up step chrony on hive0, hive1, hive2 (see: doit prune)"
    )
    assert line(services).endswith("service s5; and 1 more (see: doit prune)")


# -- the command -------------------------------------------------------------------------------------------------------


class Loader:
    """doit's loader, which has loaded dodo.py."""

    cmd_options = ()

    def __init__(self, run: Run) -> None:
        self.namespace = {"RUN": run}

    def setup(self, _options: object) -> None:
        """Do nothing."""


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is removed, and remove nothing."""
    gone: list[str] = []

    def prune(_run: Run, found: Sequence[Leftover], _say: object) -> list[str]:
        gone.extend(left.words for left in found)
        return []

    monkeypatch.setattr(command, "prune", prune)
    return gone


def prune(made: Made, *args: str, **variables: str) -> tuple[int, str]:
    """Run `doit prune` with these command-line variables; return its status and what it printed."""
    reset_vars()
    for name, value in variables.items():
        set_var(name, value)
    run = made.run()
    run.probe.__dict__["close"] = lambda: None
    asked = Prune(task_loader=Loader(run), bin_name="doit")
    asked.outstream = io.StringIO()
    try:
        return asked.execute({}, list(args)), asked.outstream.getvalue()
    finally:
        reset_vars()


def test_without_confirmation_it_only_says(made: Made, removed: list[str]) -> None:
    """The status is that of a plan: 2 if something is left over, 0 if not; and it is said what to type."""
    assert prune(made) == (0, "nothing is left over: all of stage private of example is in site.toml\n")
    without_services(made)

    status, said = prune(made)

    assert status == 2
    assert removed == []
    assert said.splitlines() == [
        "this would remove of stage private of example:",
        "    service web",
        f"    Docker secret {next(iter(made.swarm.secrets))}",
        "    image base/debian-12",
        "    image web",
        "  volume data on hive0 stays: it may hold data; to remove it: volumes=data",
        "to do it, type: doit prune confirm=example",
    ]


def test_with_the_sites_name_all_but_volumes_goes(made: Made, removed: list[str]) -> None:
    """A volume that is named goes as well."""
    without_services(made)

    assert prune(made, confirm="example")[0] == 0
    assert "volume data on hive0" not in removed
    assert "service web" in removed
    assert prune(made, confirm="example", volumes="data")[0] == 0
    assert "volume data on hive0" in removed


@pytest.mark.parametrize(
    ("args", "words", "said"),
    [
        ((), {"confirm": "other"}, "confirm=other is not this site; type: doit prune confirm=example"),
        (("web",), {}, "takes no web"),
        ((), {"confirm": "example", "volumes": "daat"}, "volumes=daat: is no volume that is left over"),
    ],
)
def test_a_slip_removes_nothing(
    made: Made, removed: list[str], args: tuple[str, ...], words: dict[str, str], said: str
) -> None:
    """Another site's name, a word too many, a volume that is not left over."""
    without_services(made)

    with pytest.raises(InvalidCommand) as caught:
        prune(made, *args, **words)

    assert said in str(caught.value)
    assert removed == []


# -- scripts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [undo_script("registry"), undo_script("chrony"), accounts_script(["a", "b"])]
)
def test_scripts_are_posix_shell(text: str) -> None:
    """They can be parsed."""
    subprocess.run(["sh", "-n"], input=text.encode(), check=True)


def test_a_marker_goes_last() -> None:
    """A prune that was killed in the middle is seen to have left something."""
    lines = undo_script("registry").splitlines()

    marker = lines.index("rm -f /var/lib/skep/steps/registry")
    assert marker > lines.index('systemctl --quiet disable --now "$its_unit"')
