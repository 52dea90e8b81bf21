"""Services that could move away from their data."""

from pathlib import Path
from typing import Any

import pytest

from model.checks import check
from model.checks.local_data import is_data
from model.site import Mount
from model.site_file.load import parse_site
from model.stage import Stage
from remote.swarm.spec import constraints

TWO: dict[str, Any] = {
    "provider": "docker",
    "cidr": "192.0.2.0/24",
    "number_of_hosts": 2,
    "separate_repository": False,
}
DATA = {"source": "data", "target": "/data"}


def problems(
    volume: dict[str, Any], service: dict[str, Any] | None = None, stage: dict[str, Any] | None = None
) -> list[str]:
    """Return the mistakes of a site with one volume, and a service db that mounts it."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": stage or TWO},
            "volumes": {"data": volume},
            "services": {"db": {"image": "db:1", "volumes": [DATA], **(service or {})}},
        }
    )
    return check(site, Path())


def test_a_local_volume_of_a_service_that_may_move_needs_its_hosts() -> None:
    """Seen: the task moved, its volume was empty there, and the run said that all was up to date."""
    (line,) = problems({})

    assert line == (
        "volumes.data.hosts: db may run on hive0, hive1 of stage private, and a local volume's data does not move "
        'along: say where it is (hosts = ["hive0"], db then runs there), take a volume that all hives share '
        '(driver_opts with type nfs, or another driver), or say hosts = "each" if every hive is to have data of its '
        "own, as caches and global services"
    )


@pytest.mark.parametrize(
    "volume",
    [
        {"hosts": ["hive1"]},
        {"hosts": "each"},
        {"driver_opts": {"type": "nfs", "o": "addr=192.0.2.9", "device": ":/srv"}},
        {"driver_opts": {"type": "cifs", "device": "//files/data"}},
        {"driver_opts": {"type": "tmpfs", "device": "tmpfs"}},
        {"driver_opts": {"type": "glusterfs", "device": "files:/data"}},
        {"driver_opts": {"type": "ocfs2", "device": "/dev/sdb1"}},
        {"driver": "rclone"},
    ],
)
def test_a_volume_that_is_at_one_place_or_shared_or_each_hives_own_is_fine(volume: dict[str, Any]) -> None:
    """The ways out that the message names."""
    assert problems(volume) == []


@pytest.mark.parametrize(
    "volume",
    [
        {"hosts": ["hive0", "hive1"]},
        {"driver_opts": {"type": "none", "o": "bind", "device": "/srv/data"}},
        {"driver_opts": {"type": "ext4", "device": "/dev/sdb1"}},
        {"driver_opts": {"type": "xfs", "device": "UUID=5f0c"}},
        {"driver_opts": {"type": "zfs", "device": "tank/data"}},
        {"driver_opts": {"type": "overlay", "device": "overlay", "o": "lowerdir=/a,upperdir=/b,workdir=/c"}},
        {"labels": {"a": "b"}},
    ],
)
def test_a_volume_on_the_hosts_own_disks_is_local_however_it_is_written(volume: dict[str, Any]) -> None:
    """Several hosts, a directory or a device of the host: the data stays where it was written."""
    assert len(problems(volume)) == 1


@pytest.mark.parametrize(
    ("service", "is_refused"),
    [
        ({"placement": {"constraints": ["node.hostname == p-hive1.example"]}}, False),
        ({"placement": {"constraints": ["node.hostname==hive1"]}}, False),
        ({"placement": {"constraints": ["node.hostname != hive1"]}}, False),
        ({"placement": {"constraints": ["node.ip == 192.0.2.10"]}}, False),
        ({"placement": {"constraints": ["node.role == manager"]}}, True),
        ({"placement": {"constraints": ["node.labels.ssd == 1"]}}, True),
        ({"placement": {"constraints": ["node.labels.skep.name == hive1"]}}, False),
        ({"placement": {"constraints": ["node.labels.pg == 1"]}}, False),
        ({"placement": {"constraints": ["node.labels.pg != 7"]}}, True),
        ({"mode": "global"}, True),
        ({"mode": "replicated-job", "restart_config": {"condition": "none"}}, True),
        ({"replicas": 2, "placement": {"max_replicas_per_node": 1}}, True),
        ({"available_on": ["other"]}, False),
    ],
)
def test_what_counts_is_where_the_file_lets_the_service_run(
    service: dict[str, Any], *, is_refused: bool
) -> None:
    """A constraint that the file can answer keeps a service; a label may be on any node."""
    other = {"other": {**TWO, "cidr": "198.51.100.0/24", "number_of_hosts": 1}}
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": {**TWO, "node_labels": {"hive0": {"pg": 1}}}, **other},
            "volumes": {"data": {}},
            "services": {"db": {"image": "db:1", "volumes": [DATA], **service}},
        }
    )

    assert bool(check(site, Path())) == is_refused


@pytest.mark.parametrize(
    ("service", "said"),
    [
        (
            {"placement": {"constraints": ["node.hostname == hive0"]}},
            (
                "services.db: can run on no hive of stage private: volumes.data.hosts hive1, placement.constraints "
                "'node.hostname == hive0'"
            ),
        ),
        (
            {"volumes": [DATA, {"type": "bind", "source": "/srv", "target": "/srv", "hosts": ["hive0"]}]},
            "services.db: can run on no hive of stage private: volumes.data.hosts hive1, hosts of /srv hive0",
        ),
        ({"placement": {"constraints": ["node.labels.pg == 1"]}}, ""),
        ({"placement": {"constraints": ["node.hostname != hive0"]}}, ""),
    ],
)
def test_data_and_constraints_leave_a_hive(service: dict[str, Any], said: str) -> None:
    """Where names alone keep a service from its data, it waits for ever; labels may be set elsewhere."""
    stage = {**TWO, "node_labels": {"hive0": {"pg": 1}}}

    assert problems({"hosts": ["hive1"]}, service, stage) == ([said] if said else [])


def test_one_hive_has_nowhere_to_move_to() -> None:
    """Nothing has to be written there; with a second hive it has."""
    assert problems({}, stage={**TWO, "number_of_hosts": 1}) == []
    assert problems({}, stage={**TWO, "separate_repository": True}) == []


def test_a_global_service_may_have_data_on_several_named_hives() -> None:
    """Its tasks don't move: each hive's is started there again."""
    assert problems({"hosts": ["hive0", "hive1"]}, {"mode": "global"}) == []


@pytest.mark.parametrize(
    ("service", "is_fine"),
    [
        ({"replicas": 2, "placement": {"max_replicas_per_node": 1}}, True),
        ({"replicas": 4, "placement": {"max_replicas_per_node": 2}}, True),
        ({"replicas": 1, "placement": {"max_replicas_per_node": 1}}, False),
        ({"replicas": 2}, False),
    ],
)
def test_so_may_one_that_has_a_task_on_each(service: dict[str, Any], *, is_fine: bool) -> None:
    """No other hive has room for one of its tasks, so each is started again where it was."""
    found = problems({"hosts": ["hive0", "hive1"]}, service)

    assert len(found) == (not is_fine)
    for line in found:
        assert 'hosts = ["hive0"]' in line
        assert line.endswith(
            'hosts = "each" if every hive is to have data of its own, with placement.constraints for some of them, or '
            'mode = "global" for a task on each'
        )


def test_a_global_service_is_not_told_to_stay_on_one_hive() -> None:
    """It has a task on each: that each has data of its own is all that can be said."""
    (of_volume,) = problems({}, {"mode": "global"})
    (of_directory,) = problems({}, {"mode": "global", **bind(source="/srv/db")})

    for line in (of_volume, of_directory):
        assert "db has a task on each of hive0, hive1 of stage private" in line
        assert 'say hosts = "each" if that is meant' in line
        assert 'hosts = ["hive0"]' not in line


@pytest.mark.parametrize(
    ("writer", "is_refused"),
    [
        (None, False),
        ({"volumes": [{**DATA, "readonly": True}]}, False),
        ({"volumes": [DATA], "placement": {"constraints": ["node.hostname == hive0"]}}, True),
    ],
)
def test_a_volume_that_is_only_read(writer: dict[str, Any] | None, *, is_refused: bool) -> None:
    """Nothing is lost where nobody writes; a reader may be away from what another service of the site has written."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": TWO},
            "volumes": {"data": {}},
            "services": {
                "web": {"image": "web:1", "volumes": [{**DATA, "readonly": True}]},
                **({"db": {"image": "db:1", **writer}} if writer is not None else {}),
            },
        }
    )

    found = check(site, Path())

    assert [line.startswith("volumes.data.hosts: web may run on") for line in found] == [True] * is_refused


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        ("node.hostname == {{ hosts.hive0.name }}", ""),
        ("node.hostname == {{ vars.dbhost }}", ""),
        ("node.ip == {{ hosts['hive1'].address }}", ""),
        ("node.hostname != {{ vars.nowhere }}", "services.db.placement.constraints[0]: there is no variable"),
        ("node.role == {{ 'manager' }}", "volumes.data.hosts: db may run on hive0, hive1"),
    ],
)
def test_a_constraint_may_be_a_template(constraint: str, said: str) -> None:
    """What it says is what it is rendered to."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": TWO},
            "vars": {"dbhost": "hive1"},
            "volumes": {"data": {}},
            "services": {
                "db": {"image": "db:1", "volumes": [DATA], "placement": {"constraints": [constraint]}}
            },
        }
    )

    assert [line.startswith(said) for line in check(site, Path())] == [True] * bool(said)


def test_a_volume_that_pins_the_service_does_for_its_other_volumes() -> None:
    """They are used on that hive only."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": TWO},
            "volumes": {"data": {"hosts": ["hive1"]}, "more": {}},
            "services": {"db": {"image": "db:1", "volumes": [DATA, {"source": "more", "target": "/more"}]}},
        }
    )

    assert check(site, Path()) == []


def bind(**mount: Any) -> dict[str, Any]:
    """Return a service with a bind mount."""
    return {"volumes": [{"type": "bind", "target": "/data", **mount}]}


def test_a_bind_mount_below_a_path_that_is_data_needs_its_hive() -> None:
    """The same data loss, without a volume."""
    (line,) = problems({}, bind(source="/srv/db"))

    assert line.startswith(
        "services.db.volumes[0].hosts: db may run on hive0, hive1 of stage private, and what it"
    )
    assert 'hosts = ["hive0"]' in line
    assert 'hosts = "each"' in line
    assert "readonly = true" in line


@pytest.mark.parametrize("mount", [{"hosts": "each"}, {"hosts": ["hive1"]}, {"readonly": True}])
def test_a_bind_mount_says_where_it_is(mount: dict[str, Any]) -> None:
    """The ways out that the message names."""
    assert problems({}, bind(source="/srv/db", **mount)) == []


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        ({"type": "bind", "source": "/srv", "hosts": ["hive7"]}, "'hive7' is not a hive of stage private"),
        (
            {"type": "bind", "source": "/srv", "hosts": ["hive0", "hive1"]},
            "a bind mount keeps its service on one",
        ),
        ({"type": "tmpfs", "hosts": "each"}, "a tmpfs has no data that stays"),
        ({"source": "data", "hosts": "each"}, "belongs into the volume: [volumes.data]"),
    ],
)
def test_hosts_of_a_mount_are_a_bind_mounts(mount: dict[str, Any], said: str) -> None:
    """A misspelt hive, too many of them, and mounts that have none."""
    found = problems({"hosts": ["hive0"]}, {"volumes": [{"target": "/data", **mount}]})

    assert found[0].startswith(f"services.db.volumes[0].hosts: {said}"), found


def test_a_bind_mounts_hive_is_a_constraint() -> None:
    """So the service runs where its data is; `each` is none."""
    site = parse_site(
        {
            "site": "example",
            "stages": {"private": TWO},
            "services": {
                "db": {"image": "db:1", **bind(source="/srv/db", hosts=["hive1"])},
                "cache": {"image": "db:1", **bind(source="/srv/db", hosts="each")},
            },
        }
    )
    stage = Stage(site, "private", site.stages["private"])

    assert constraints(site.services["db"], stage) == ["node.labels.skep.name==hive1"]
    assert constraints(site.services["cache"], stage) == []


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/srv/db", True),
        ("/var/lib/mysql", True),
        ("/etc/letsencrypt", True),
        ("/var/lib/docker-data", True),
        ("/run/../srv", True),
        ("/var/run/docker.sock", False),
        ("/var/lib/docker/volumes", False),
        ("/etc/localtime", False),
        ("/", False),
        ("/sys/fs/cgroup", False),
    ],
)
def test_the_systems_own_paths_are_no_data(path: str, *, is_one: bool) -> None:
    """A container that talks to its engine, or reads the clock, may do so on any hive."""
    assert is_data(Mount(target="/x", source=path, type="bind")) == is_one
