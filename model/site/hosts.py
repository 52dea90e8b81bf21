"""The set-up that all hosts share."""

from typing import Annotated, Any

from msgspec import Meta, field

from model.site.base import Domain, Frozen, Label, Scalar


class Account(Frozen, frozen=True):
    """An account on every host."""

    public_keys: Annotated[list[str], Meta(description="The lines of the account's `authorized_keys`.")] = []
    sudo: Annotated[
        bool, Meta(description="Whether the account may run everything as root, without a password.")
    ] = False
    groups: Annotated[list[str], Meta(description="The account's further groups, which must exist.")] = []


class SetupHosts(Frozen, frozen=True):
    """The set-up that all hosts share."""

    timezone: Annotated[
        str,
        Meta(
            description="The hosts' time zone: a name of the tz database, as in `Europe/Berlin`.",
            pattern=r"^[A-Za-z0-9_+/-]+$",
        ),
    ] = "UTC"
    ntp_servers: Annotated[
        list[Domain],
        Meta(
            description="The time servers that chrony uses. With an empty list skep leaves the clock alone."
        ),
    ] = field(
        default_factory=lambda: ["0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org", "3.pool.ntp.org"]
    )
    users: Annotated[
        dict[Label, Account], Meta(description="The accounts that every host gets, by name.")
    ] = {}
    firewall: Annotated[
        bool,
        Meta(
            description="Whether skep sets up each host's firewall. With `false` it leaves the firewall alone."
        ),
    ] = True
    hosts: Annotated[
        dict[Domain, str], Meta(description="Further lines of `/etc/hosts`, as name to address.")
    ] = {}
    sysctls: Annotated[
        dict[str, Scalar],
        Meta(
            description='Kernel parameters of all hosts, as in `"vm.max_map_count" = 262144`. One that is no longer '
            "here gets the value back that it had."
        ),
    ] = {}
    daemon: Annotated[
        dict[str, Any],
        Meta(description="Further keys of Docker's `daemon.json`, as Docker documents them."),
    ] = {}
