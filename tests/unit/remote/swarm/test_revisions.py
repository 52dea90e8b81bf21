"""Revisions of a service: its specifications, and nothing that is secret."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from docker.errors import APIError

from model.errors import ServiceError
from model.labels import REVISION_LABEL
from remote.swarm import revisions as kept
from remote.swarm.revisions import Revision

LABELS = {"skep.site": "example", "skep.stage": "private"}


class Configs:
    """A manager's engine that keeps Docker configs."""

    def __init__(self) -> None:
        self.api = self
        self.all: dict[str, dict[str, Any]] = {}
        self.listed = 0

    def configs(self, filters: dict[str, list[str]]) -> list[dict[str, Any]]:
        """List those with these labels, as Docker does: by name and value, or by name alone."""
        self.listed += 1
        return [
            config
            for config in self.all.values()
            if all(
                (
                    name in config["Spec"]["Labels"]
                    if not equals
                    else config["Spec"]["Labels"].get(name) == value
                )
                for name, equals, value in (wanted.partition("=") for wanted in filters["label"])
            )
        ]

    def create_config(self, name: str, data: bytes, labels: dict[str, str]) -> None:
        """Make one; a name is given once."""
        if name in {config["Spec"]["Name"] for config in self.all.values()}:
            raise APIError("conflict", SimpleNamespace(status_code=409))
        spec = {"Name": name, "Labels": labels, "Data": base64.b64encode(data).decode()}
        self.all[f"id-of-{name}"] = {"ID": f"id-of-{name}", "CreatedAt": "2026-11-25T20:00:00Z", "Spec": spec}

    def networks(self, ids: list[str]) -> list[dict[str, str]]:
        """List some."""
        return [{"Id": number, "Name": f"name-of-{number}"} for number in ids]

    def remove_config(self, number: str) -> None:
        """Remove one."""
        del self.all[number]


def service(image: str = "registry/web@sha256:1", **labels: str) -> dict[str, Any]:
    """Return a service of the swarm."""
    return {
        "Spec": {
            "Name": "web",
            "Labels": {"own": "x", "skep.key": "k", **labels},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": image,
                    "Env": ["A=b", "PASSWORD=hush"],
                    "Secrets": [{"SecretID": "s1"}],
                    "Configs": [{"ConfigID": "c1"}],
                }
            },
        }
    }


def keep(engine: Any, of: dict[str, Any], count: int = 3) -> int:
    """Store a service's revision."""
    return kept.RevisionStore(engine, LABELS, count, {}).keep(of, {"PASSWORD"})


def test_no_secret_is_kept() -> None:
    """Of a variable that a secret is in, the name alone is kept; skep's own labels are those of the day."""
    engine: Any = Configs()
    keep(engine, service())
    [config] = engine.all.values()
    [revision] = kept.revisions(engine, "web", LABELS)

    assert b"hush" not in base64.b64decode(config["Spec"]["Data"])
    assert revision.spec["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=b", "PASSWORD"]
    assert revision.spec["Labels"] == {"own": "x"}
    assert kept.files_of(config) == {"s1", "c1"}
    assert kept.image_of(config) == "registry/web@sha256:1"


def test_each_is_kept_once() -> None:
    """A specification that equals the newest revision is no new one, whatever skep's labels say."""
    engine: Any = Configs()

    assert keep(engine, service()) == 1
    assert keep(engine, service(**{"skep.key": "another"})) == 1
    assert keep(engine, service("other")) == 2
    assert keep(engine, service()) == 3


def test_the_newest_stay() -> None:
    """As many stay as are to; the numbers go on."""
    engine: Any = Configs()
    for number in range(1, 6):
        assert keep(engine, service(f"image-{number}")) == number

    assert [revision.number for revision in kept.revisions(engine, "web", LABELS)] == [5, 4, 3]


def test_nothing_is_kept_of_a_service_that_is_removed() -> None:
    """With a service its revisions go, and no other's."""
    engine: Any = Configs()
    keep(engine, service())
    keep(engine, service("other"))
    kept.remove_revisions(engine, "web", {**LABELS, "skep.stage": "staging"})
    assert len(engine.all) == 2

    kept.remove_revisions(engine, "web", LABELS)

    assert engine.all == {}


def test_another_stages_are_not_seen() -> None:
    """A service of the same name in another stage has revisions of its own."""
    engine: Any = Configs()
    keep(engine, service())

    assert kept.revisions(engine, "web", {**LABELS, "skep.stage": "staging"}) == []
    assert kept.revisions(engine, "other", LABELS) == []


def test_secret_variables_get_what_they_are_today() -> None:
    """Going back, a secret variable has the value of today; one that is secret no more can't be had."""
    engine: Any = Configs()
    keep(engine, service())
    [revision] = kept.revisions(engine, "web", LABELS)

    spec = kept.with_secrets(revision, ["PASSWORD=new"])
    assert spec["TaskTemplate"]["ContainerSpec"]["Env"] == ["A=b", "PASSWORD=new"]
    with pytest.raises(ServiceError, match="revision 1 had a secret in PASSWORD"):
        kept.with_secrets(revision, [])


def test_differences_are_said() -> None:
    """Revisions are told apart by their differences."""
    one = Revision(1, "", "", "a", "", {"TaskTemplate": {"ContainerSpec": {"Image": "a"}}})

    assert one.differs(one.spec) == []
    [said] = one.differs({"TaskTemplate": {"ContainerSpec": {"Image": "b"}}})
    assert "a" in said
    assert "b" in said


def test_other_configs_are_no_revisions() -> None:
    """A config of the site's own is none."""
    assert not kept.is_revision({"Spec": {"Labels": {"skep.name": "x"}}})


def test_a_long_service_is_kept_as_well() -> None:
    """Docker takes 64 characters: a digest stands for a service whose name would be too long, one for each."""
    names = [kept.config_name(service, 123) for service in ("web", "a" * 63, "a" * 62 + "b")]

    assert names[0] == "skep-generation.web.123"
    assert [len(name) <= 64 for name in names] == [True] * 3
    assert len(set(names)) == 3
    engine: Any = Configs()
    long = service()
    long["Spec"]["Name"] = "a" * 63
    keep(engine, long)
    [config] = engine.all.values()
    assert len(config["Spec"]["Name"]) <= 64
    assert [revision.number for revision in kept.revisions(engine, "a" * 63, LABELS)] == [1]


def test_a_network_that_was_made_anew_is_no_obstacle() -> None:
    """A restored revision is in the network of that name, whatever id that has by now."""
    engine: Any = Configs()
    joined = service()
    joined["Spec"]["TaskTemplate"]["Networks"] = [{"Target": "n1", "Aliases": ["www"]}]
    kept.RevisionStore(engine, LABELS, 3, {}).keep(joined, ())
    [revision] = kept.revisions(engine, "web", LABELS)

    back = kept.with_secrets(revision, ["PASSWORD=new"])

    assert back["TaskTemplate"]["Networks"] == [{"Target": "name-of-n1", "Aliases": ["www"]}]
    assert revision.spec["TaskTemplate"]["Networks"] == [{"Target": "n1", "Aliases": ["www"]}]


def test_what_there_is_is_listed_once() -> None:
    """Of fifty services nobody lists the revisions fifty times."""
    engine: Any = Configs()
    keeper = kept.RevisionStore(engine, LABELS, 3, {"n1": "mesh"})
    for name in ("web", "db"):
        one = service()
        one["Spec"]["Name"] = name
        one["Spec"]["TaskTemplate"]["Networks"] = [{"Target": "n1"}]
        assert keeper.keep(one, ()) == 1
    assert engine.listed == 1
    assert kept.revisions(engine, "db", LABELS)[0].networks == {"n1": "mesh"}


def test_one_that_was_kept_meanwhile_is_counted() -> None:
    """Where somebody kept another one since, the number is taken, and the next one is."""
    engine: Any = Configs()
    keeper = kept.RevisionStore(engine, LABELS, 3, {})
    assert keeper.keep(service(), ()) == 1
    assert keep(engine, service("other")) == 2
    assert keeper.keep(service("third"), ()) == 3
    assert [each.number for each in kept.revisions(engine, "web", LABELS)] == [3, 2, 1]


def test_going_back_is_kept_as_new() -> None:
    """A specification is compared with the newest revision at that time, whoever stored it."""
    engine: Any = Configs()
    keeper = kept.RevisionStore(engine, LABELS, 3, {})
    assert keeper.keep(service(), ()) == 1
    assert keep(engine, service("other")) == 2
    assert keeper.keep(service(), ()) == 3


def test_what_can_not_be_read_is_its_own_services_affair() -> None:
    """A config of another service that somebody spoilt keeps nobody from being kept."""
    engine: Any = Configs()
    engine.create_config("spoilt", b"no JSON", {**LABELS, "skep.name": "db", REVISION_LABEL: "x"})
    assert keep(engine, service()) == 1


def test_a_network_that_is_gone_is_said_by_its_name() -> None:
    """With the line of site.toml that brings it back; the engine knows no more than an id."""
    there = [{"Name": "front", "Id": "n1"}, {"Name": "host", "Id": "n0"}]
    engine: Any = SimpleNamespace(api=SimpleNamespace(networks=lambda: there))

    def revision(**networks: str) -> Revision:
        return Revision(3, "c", "", "i", "d", {}, networks)

    kept.refuse_gone_networks(engine, "web", revision(n7="front", n0="host"))
    kept.refuse_gone_networks(None, "web", revision())  # nothing is asked
    with pytest.raises(ServiceError) as refused:
        kept.refuse_gone_networks(engine, "web", revision(n7="front", n8="back"))

    assert str(refused.value) == (
        "services.web.networks: revision 3 joins back, which is gone from the swarm: put [networks.back] back in "
        "site.toml and run doit build_networks, then go back once more; or take another revision (doit rollback web "
        "to=0 lists them)"
    )
