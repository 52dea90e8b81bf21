"""`doit destroy`: nothing goes that was not meant to go, and then all of it does."""

import io
from pathlib import Path
from typing import Any

import pytest
from doit.doit_cmd import reset_vars, set_var
from doit.exceptions import InvalidCommand

from commands.destroy import THERE_IS, DestroyCommand
from model.errors import HostError, ProviderError
from model.keys.record import FactRecord, HostRecord
from model.site import DockerStage, Mount, Service, Site, Volume
from model.stage import Host, Stage
from providers.fake.provider import FakeProvider
from tasks.run.context import Run
from tasks.run.open import new_run
from tasks.run.state import State
from tests.doubles.alertmanager import watch


class Ssh:
    """A connection to a host whose engine does not run: answers with the volumes that it holds, or does not answer."""

    name, docker_socket = "hive0", Path("/nonexistent")

    def __init__(self, volumes: str | None) -> None:
        self._volumes = volumes

    def open(self) -> None:
        """Answer."""
        if self._volumes is None:
            raise HostError("hive1: no answer\nin two lines")

    def session(self, _command: str) -> Any:
        """Hold no lock: no such thing can be had here."""
        raise HostError("hive0: no session")

    def script(self, _text: str, **_options: Any) -> str:
        """Tell the volumes."""
        assert self._volumes is not None
        return self._volumes


class Made:
    """A stage that is made, by a provider in memory.

    Args:
        directory: The site's directory.
        stages: How many stages the site has.

    """

    def __init__(self, directory: Path, stages: int = 1) -> None:
        config = DockerStage(cidr="10.0.0.0/24", number_of_hosts=3)
        site = Site(
            site="example",
            stages=dict.fromkeys(("private", "staging")[:stages], config),
            volumes={"data": Volume(hosts=["hive0"]), "logs": Volume(hosts=["hive1"])},
            services={
                "db": Service(
                    image="db", volumes=[Mount(target="/d", source="data"), Mount(target="/l", source="logs")]
                )
            },
        )
        stage = Stage(site, "private", config)
        self.provider = FakeProvider(stage)
        state = State(directory / "state" / "private")
        self.run = new_run(directory, stage, state, provider=self.provider)
        self.volumes: dict[str, str | None] = {"hive0": "data\n", "hive1": "", "hive2": ""}
        self.run.connections.to = self._connection  # type: ignore[method-assign]
        for resource in self.provider.resources():
            record = self.provider.ensure(resource, lambda _line: None)
            assert isinstance(record, HostRecord | FactRecord)
            self.run.state.write(f"build_infra:{resource.name}", record)
        self.run.state.secrets.joinpath("id_ed25519").write_text("key")
        self.provider.cloud.log.clear()
        self.out = io.StringIO()

    def _connection(self, host: Host) -> Any:
        """Return a host's connection."""
        return Ssh(self.volumes[host.short])

    def hold(self, monkeypatch: pytest.MonkeyPatch, *shorts: str) -> list[set[str]]:
        """Have the stage's lock be held on hosts; return a list of those whose connections stay open, by call."""
        kept: list[set[str]] = []
        held = [self.run.stage.host(short) for short in shorts]
        monkeypatch.setattr(type(self.run.stage_lock), "held_on", property(lambda _self: held))
        monkeypatch.setattr(self.run.connections, "disconnect", lambda except_=(): kept.append({*except_}))
        return kept

    def destroy(self, **variables: str) -> int:
        """Run `doit destroy` with these command-line variables."""
        reset_vars()
        for name, value in variables.items():
            set_var(name, value)
        command = DestroyCommand(task_loader=Loader(self.run), bin_name="doit")
        command.outstream = self.out
        try:
            return command.execute({}, [])
        finally:
            reset_vars()

    def refused(self, **variables: str) -> str:
        """Run it, expect that nothing is done, and return why not."""
        with pytest.raises(InvalidCommand) as caught:
            self.destroy(**variables)
        assert self.provider.cloud.log == []
        assert self.run.connections.files.key.exists()
        return str(caught.value)

    def listed(self, **variables: str) -> list[str]:
        """Run it, expect that something is listed and nothing done, and return the lines."""
        assert self.destroy(**variables) == THERE_IS
        assert self.provider.cloud.log == []
        assert self.run.connections.files.key.exists()
        return self.out.getvalue().splitlines()


class Loader:
    """doit's loader, which has loaded dodo.py."""

    cmd_options = ()

    def __init__(self, run: Run) -> None:
        self.namespace = {"RUN": run}

    def setup(self, _options: object) -> None:
        """Do nothing."""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a stage that is made."""
    (tmp_path / "r").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))
    return Made(tmp_path)


def test_without_confirmation_it_says_what_would_go(made: Made) -> None:
    """It lists the parts and the command that removes them; the exit status says that there are some, as prune's."""
    assert made.listed() == [
        "this would remove of stage private of example:",
        "    hive0: p-hive0.example",
        "    hive1: p-hive1.example",
        "    hive2: p-hive2.example",
        "    network: the network of the hosts",
        "    image: the host image",
        "    volume data on hive0",
        f"    {made.run.state.root}, with the stage's ssh key and generated secrets",
        "to do it, type: doit destroy confirm=example volumes=data",
    ]


def test_the_name_of_another_site_does_not_confirm(made: Made) -> None:
    """The confirmation is the site's name and nothing else."""
    message = made.refused(confirm="exampel", volumes="all")

    assert message == "destroy: confirm=exampel is not this site; type: doit destroy confirm=example"


def test_of_several_stages_one_must_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the site has several stages, the command to type names the stage."""
    (tmp_path / "r").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "r"))

    lines = Made(tmp_path, stages=2).listed()

    assert lines[-1].endswith("doit destroy confirm=example stage=private volumes=data")


def test_data_goes_only_when_it_is_named(made: Made) -> None:
    """A volume that goes with its host stops the whole destroy until it is named."""
    message = made.refused(confirm="example")

    assert "    data on hive0" in message
    assert "    doit destroy confirm=example volumes=data" in message


def test_a_volume_that_is_not_there_is_a_persons_mistake(made: Made) -> None:
    """A name that no volume has was most likely meant for another one."""
    message = made.refused(confirm="example", volumes="date")

    assert message == "volumes=date: there is no such volume; there are: data"


@pytest.mark.parametrize("is_halted", [True, False])
def test_an_alertmanager_that_is_off_is_not_asked(made: Made, *, is_halted: bool) -> None:
    """Of a halted stage nobody is there to be told; one that runs and does not answer is said."""
    alarms = watch(made.run)
    alarms.is_away = True
    if is_halted:
        made.provider.halt(made.run.stage.repository.short, lambda _line: None)
    assert made.destroy(confirm="example", volumes="all") == 0
    assert ("alarms are not silenced" in made.out.getvalue()) != is_halted


def test_a_host_that_cannot_be_asked_may_hold_data(made: Made) -> None:
    """On a host that does not answer, recorded volumes and those of site.toml count as present."""
    made.volumes["hive1"] = None
    made.run.state.write("build_volumes:old@hive1", FactRecord())

    message = made.refused(confirm="example", volumes="data")

    assert "    logs on hive1" in message
    assert "    old on hive1" in message
    assert (
        "  hive1 can't be asked for its volumes (hive1: no answer); all that it may hold are listed"
        in message
    )


def test_without_state_every_host_may_hold_its_data(made: Made) -> None:
    """After state/ was lost nobody can log in, and data is no less dear."""
    made.run.connections.files.key.unlink()
    with pytest.raises(InvalidCommand, match=r"(?s)data on hive0.*logs on hive1"):
        made.destroy(confirm="example")

    assert made.provider.cloud.log == []


def test_a_stopped_host_is_not_waited_for(made: Made) -> None:
    """A host that does not run is not asked."""
    made.provider.cloud.stop(made.run.stage, "hive1")

    assert "hive1 can't be asked for its volumes (it does not run)" in made.refused(confirm="example")


@pytest.mark.parametrize("volumes", ["data", "all"])
def test_a_confirmed_destroy_leaves_nothing(made: Made, volumes: str) -> None:
    """Hosts go first, then the things that they needed, then state/."""
    sockets = made.run.connections.files.sockets

    status = made.destroy(confirm="example", volumes=volumes)

    log = made.provider.cloud.log
    assert status == 0
    assert sorted(log[:3]) == ["removed hive0", "removed hive1", "removed hive2"]
    assert log[3:] == ["removed network", "removed image"]
    assert made.provider.found() == {}
    assert not (made.run.directory / "state").exists()
    assert not sockets.exists()
    assert "stage private of example is removed (" in made.out.getvalue().splitlines()[-1]


def test_a_second_destroy_has_nothing_to_do(made: Made) -> None:
    """It is no error that there is nothing to destroy, and there is nothing to list."""
    made.destroy(confirm="example", volumes="all")

    assert made.destroy() == 0
    assert (
        made.out.getvalue().splitlines()[-1]
        == "nothing to remove: there is nothing of stage private of example"
    )

    assert made.destroy(confirm="example", volumes="all") == 0
    assert not (made.run.directory / "state").exists()


def test_a_host_that_cannot_be_removed_stops_no_other(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest goes, the exit status says that something is left, and state/ is kept."""
    remove = made.provider.remove

    def failing(name: str, log: Any) -> None:
        if name == "hive1":
            raise ProviderError("the engine is on fire")
        remove(name, log)

    monkeypatch.setattr(made.provider, "remove", failing)

    status = made.destroy(confirm="example", volumes="all")

    assert status == 1
    assert sorted(made.provider.found()) == ["hive1"]
    assert "hive1: the engine is on fire" in made.out.getvalue()
    assert made.run.connections.files.key.exists()


def test_hosts_that_the_stage_no_longer_wants_go_too(made: Made) -> None:
    """Everything with the stage's labels is the stage's, whether it is in site.toml or not."""
    things = made.provider.cloud.things
    things["example", "private", "hive7"] = things["example", "private", "hive2"]

    made.destroy(confirm="example", volumes="all")

    assert "removed hive7" in made.provider.cloud.log
    assert made.provider.found() == {}


def test_another_stage_keeps_its_state(made: Made) -> None:
    """Only the stage's own directory goes."""
    other = made.run.directory / "state" / "staging" / "keep"
    other.parent.mkdir(parents=True)
    other.write_text("")

    made.destroy(confirm="example", volumes="all")

    assert other.exists()
    assert not made.run.state.root.exists()


def test_it_takes_the_stage(made: Made) -> None:
    """While a run is at work nothing is removed."""
    other = State(made.run.state.root)
    other.lock("doit")
    try:
        message = made.refused(confirm="example", volumes="all")
    finally:
        other.unlock()

    assert "another run holds this stage" in message


def test_the_hosts_that_hold_the_lock_go_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as one lives no other run begins; then their connections are closed, and the network goes."""
    made = Made(tmp_path)
    kept = made.hold(monkeypatch, "hive2", "hive0")

    assert made.destroy(confirm="example", volumes="all") == 0

    log = made.provider.cloud.log
    assert log[0] == "removed hive1"
    assert sorted(log[1:3]) == ["removed hive0", "removed hive2"]
    assert {*log[3:]} == {"removed network", "removed image"}
    assert kept == [{"hive0", "hive2"}, set(), set()]


def test_a_host_that_stays_keeps_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection stays open until the command has ended, as it writes down how that ended."""
    made = Made(tmp_path)
    kept = made.hold(monkeypatch, "hive2", "hive0")
    remove = FakeProvider.remove

    def refuse(self: FakeProvider, name: str, log: Any) -> None:
        if name == "hive2":
            raise ProviderError("hive2: is busy")
        remove(self, name, log)

    monkeypatch.setattr(FakeProvider, "remove", refuse)

    assert made.destroy(confirm="example", volumes="all") == 1

    assert kept == [{"hive0", "hive2"}, {"hive2"}]
