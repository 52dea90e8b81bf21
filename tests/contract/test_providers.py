"""The contract of `providers/base.py`: one suite for every provider."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model.errors import ProviderError
from model.keys.record import HostRecord, Record
from providers.base import Resource
from remote.ssh.login import log_in
from tests import rig as make
from tests.contract.rigs import CloudRig, FakeRig, PreparedRig, Rig


class TestResources:
    """The resources of a stage."""

    def test_is_pure(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """Asking for the resources opens no connection, and gives the same each time."""
        provider = rig.provider()

        def refuse(*_: object) -> None:
            pytest.fail("a connection was opened")

        monkeypatch.setattr(socket.socket, "connect", refuse)

        assert list(provider.resources()) == list(rig.provider().resources())

    def test_are_in_an_order_in_which_they_can_be_made(self, rig: Rig) -> None:
        """Whatever a resource needs comes before it, and no two have one name."""
        seen: list[str] = []
        for resource in rig.provider().resources():
            assert set(resource.needs) <= set(seen)
            seen.append(resource.name)

        assert len(seen) == len(set(seen))

    def test_hosts_are_the_stages_hosts(self, rig: Rig) -> None:
        """The resources that are hosts are the hosts of the stage, under their short names."""
        hosts = [resource.name for resource in rig.provider().resources() if resource.is_host]

        assert hosts == [host.short for host in rig.stage.hosts]

    def test_hosts_differ_in_their_inputs(self, rig: Rig) -> None:
        """Each host has a key of its own."""
        keys = [resource.key for resource in rig.provider().resources() if resource.is_host]

        assert len(keys) == len(set(keys))


class TestEnsure:
    """Making it so."""

    def test_nothing_stands_in_the_way(self, rig: Rig) -> None:
        """A stage that can be made has no problems."""
        assert list(rig.provider().check()) == []

    def test_twice_is_once(self, rig: Rig) -> None:
        """The second `ensure` makes nothing and returns the same record; so does that of another run."""
        provider = rig.provider()
        first = make.ensure_all(provider)
        things = rig.things()

        assert make.ensure_all(provider) == first
        assert make.ensure_all(rig.provider()) == first
        assert rig.things() == things

    def test_a_hosts_record_says_who_it_is(self, rig: Rig) -> None:
        """A host's record has the host's name and address and an id that no other host has."""
        records = make.ensure_all(rig.provider())
        hosts = [record for record in records.values() if isinstance(record, HostRecord)]

        assert [(r.name, r.address) for r in hosts] == [(h.name, h.address) for h in rig.stage.hosts]
        assert len({record.id for record in hosts} - {""}) == len(hosts)

    def test_racing_threads_make_one(self, rig: Rig) -> None:
        """Threads of several runs that ensure all resources at once come to the same records."""
        if rig.provider().owns:
            for host in rig.stage.hosts:
                rig.provider().remove(host.short, make.quiet)
        racers = 4
        barrier = threading.Barrier(racers)

        def race(_: int) -> dict[str, Record]:
            provider = rig.provider()
            barrier.wait(timeout=240)
            return make.ensure_all(provider)

        with ThreadPoolExecutor(racers) as pool:
            made = list(pool.map(race, range(racers)))

        assert all(records == made[0] for records in made)
        assert len([thing for thing in rig.things() if thing.startswith("hive0 ")]) <= 1

    def test_the_stages_key_logs_in(self, rig: Rig) -> None:
        """The record is enough to log in with the stage's key, to run things as root, and to know the host again."""
        if not rig.real:
            return
        for host in rig.stage.hosts:
            record = make.ensure_host(rig.provider(), host.short)
            answer = log_in(record, rig.files.key, "sudo -n id -u")

            assert answer.output.strip() == "0", answer.errors

    def test_a_new_key_is_admitted_without_another_host(self, rig: Rig) -> None:
        """A stage whose key was lost gets its new key installed on the hosts that it has."""
        if not rig.real:
            return
        before = make.ensure_all(rig.provider())
        make.new_key(rig.files)
        after = make.ensure_all(rig.provider())

        assert after == before
        record = after["hive0"]
        assert isinstance(record, HostRecord)
        assert log_in(record, rig.files.key, "true").worked

    def test_letting_a_key_in_takes_no_other_out(self, rig: Rig, tmp_path: Path) -> None:
        """Two checkouts, each with a key of its own, are both let in, whichever came last; the host stays the same."""
        if isinstance(rig, CloudRig):
            return  # nobody answers there; the clouds' own tests show how a second key gets in
        other = rig.checkout(tmp_path / "site" / "state" / "other")
        first = make.ensure_all(rig.provider())["hive0"]
        assert isinstance(first, HostRecord)

        second = make.ensure_all(other.provider())["hive0"]

        assert second == first
        assert rig.lets_in(first, rig)
        assert rig.lets_in(first, other)
        assert make.ensure_host(rig.provider(), "hive0") == first
        assert rig.lets_in(first, other)


class TestFound:
    """The listing of real things."""

    def test_lists_what_was_made(self, owner: Rig) -> None:
        """Everything that was made is found under its name, with its key, the id of its record, and running."""
        provider = owner.provider()
        records = make.ensure_all(provider)
        found = owner.provider().found()

        for resource in provider.resources():
            thing, record = found[resource.name], records[resource.name]
            assert (thing.name, thing.key, thing.running) == (resource.name, resource.key, True)
            assert (thing.is_host, thing.drift) == (resource.is_host, "")
            assert thing.id == getattr(record, "id", None)

    def test_what_is_borrowed_is_not_listed(self, prepared_rig: PreparedRig) -> None:
        """A provider that owns nothing lists nothing, and says that it owns nothing."""
        provider = prepared_rig.provider()

        assert not provider.owns
        assert provider.found() == {}

    def test_a_stopped_host_is_started(self, owner: Rig) -> None:
        """A host that was stopped is found as not running, and ensured it is the same host, running."""
        before = make.ensure_all(owner.provider())
        owner.stop("hive0")
        assert not owner.provider().found()["hive0"].running

        after = make.ensure_host(owner.provider(), "hive0")

        assert after == before["hive0"]
        assert owner.provider().found()["hive0"].running

    def test_a_deleted_host_is_another_when_it_is_back(self, owner: Rig) -> None:
        """A host that was deleted is not found as it was, and made anew it has another id and the same address."""
        before = make.ensure_all(owner.provider())["hive0"]
        owner.delete("hive0")
        left = owner.provider().found().get("hive0")
        assert left is None or (not left.running and left.key == "")

        after = make.ensure_host(owner.provider(), "hive0")

        assert isinstance(before, HostRecord)
        assert after.id != before.id
        assert after.address == before.address

    def test_another_key_makes_another_host(self, owner: Rig) -> None:
        """A host that was made from other inputs is replaced, found under the new key, and reached as before."""
        provider = owner.provider()
        before = make.ensure_all(provider)["hive0"]
        resource = make.with_another_key(make.resource(provider, "hive0"))
        try:
            after = provider.ensure(resource, make.quiet)

            assert isinstance(before, HostRecord)
            assert isinstance(after, HostRecord)
            assert after.id != before.id
            assert after.ssh_host == before.ssh_host  # in a cloud its public address
            assert owner.provider().found()["hive0"].key == resource.key
        finally:
            make.ensure(owner.provider(), "hive0")


class TestRecall:
    """Reading back a host, for a plan in a fresh clone."""

    def test_is_the_record_that_ensure_returns(self, rig: Rig) -> None:
        """Of each host that is there as wanted; nothing is made."""
        records = make.ensure_all(rig.provider())
        things = rig.things()
        provider = rig.provider()

        for host in rig.stage.hosts:
            assert provider.recall(make.resource(provider, host.short)) == records[host.short]
        assert rig.things() == things

    def test_another_one_is_none(self, owner: Rig) -> None:
        """A host that stands still, was made from other inputs or is gone is no host, and stays what it is."""
        provider = owner.provider()
        make.ensure_all(provider)
        wanted = make.resource(provider, "hive0")
        things = owner.things()

        assert owner.provider().recall(make.with_another_key(wanted)) is None
        assert owner.things() == things
        owner.stop("hive0")
        assert owner.provider().recall(wanted) is None
        assert not owner.provider().found()["hive0"].running
        owner.delete("hive0")
        things = owner.things()
        assert owner.provider().recall(wanted) is None
        assert owner.things() == things

    def test_lets_no_key_in(self, rig: Rig, tmp_path: Path) -> None:
        """A checkout whose key the host refuses reads nothing back, and is refused afterwards as well."""
        if isinstance(rig, CloudRig):
            return  # nobody answers there
        record = make.ensure_all(rig.provider())["hive0"]
        other = rig.checkout(tmp_path / "site" / "state" / "other")
        provider = other.provider()

        assert provider.recall(make.resource(provider, "hive0")) is None
        assert isinstance(record, HostRecord)
        assert not rig.lets_in(record, other)


class TestHalt:
    """Stopping a host, to go on later."""

    def test_is_undone_by_ensure(self, owner: Rig) -> None:
        """A host that was halted is there and does not run; ensured it is the same host. Halted twice is once."""
        provider = owner.provider()
        if not provider.halts:
            return
        before = make.ensure_all(provider)
        provider.halt("hive0", make.quiet)
        provider.halt("hive0", make.quiet)
        provider.halt("never", make.quiet)
        found = owner.provider().found()

        assert not found["hive0"].running
        assert found["hive1"].running
        assert make.ensure_host(owner.provider(), "hive0") == before["hive0"]

    def test_what_is_borrowed_is_not_halted(self, prepared_rig: PreparedRig) -> None:
        """A provider that could not start a host again says so beforehand, and refuses."""
        provider = prepared_rig.provider()

        assert not provider.halts
        with pytest.raises(ProviderError, match="can't start again"):
            provider.halt("hive0", make.quiet)


class TestRemove:
    """Taking it away."""

    def test_twice_is_once(self, rig: Rig) -> None:
        """A resource that is not there is no error, whether it was there once or never."""
        provider = rig.provider()
        provider.remove("hive1", make.quiet)
        provider.remove("hive1", make.quiet)
        provider.remove("never", make.quiet)

        assert "hive1" not in rig.provider().found()

    def test_leaves_nothing(self, owner: Rig) -> None:
        """Each thing is listed after its needs; removed the other way round, nothing of the site is left."""
        provider = owner.provider()
        make.ensure_all(provider)
        found = provider.found()
        wanted = [resource.name for resource in provider.resources()]
        assert found.keys() <= set(wanted)
        order = list(found)
        for resource in provider.resources():
            assert all(order.index(need) < order.index(resource.name) for need in resource.needs)
        for name in reversed(wanted):
            if name != "image":  # shared with others, and with the tests to come
                provider.remove(name, make.quiet)

        assert not [thing for thing in owner.things() if not thing.startswith("image ")]

    def test_what_is_borrowed_stays(self, prepared_rig: PreparedRig) -> None:
        """A provider that owns nothing removes nothing, and says so."""
        make.ensure_all(prepared_rig.provider())
        said: list[str] = []
        prepared_rig.provider().remove("hive0", said.append)

        assert "not skep's" in said[0]
        make.ensure_host(prepared_rig.provider(), "hive0")


def test_the_fake_refuses_a_caller_that_breaks_the_contract(fake_rig: FakeRig) -> None:
    """A host before its needs, and a resource that nobody wants, are the caller's faults and no ProviderError."""
    provider = fake_rig.provider()
    with pytest.raises(AssertionError, match="before image, network"):
        make.ensure(provider, "hive0")
    with pytest.raises(AssertionError, match="not what the stage wants"):
        provider.ensure(Resource("hive9"), make.quiet)
