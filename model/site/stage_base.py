"""The keys of every stage."""

from typing import Annotated, Any

from msgspec import Meta

from model.site.base import Frozen, Label, Scalar, Variable


class StageBase(Frozen, frozen=True):
    """The keys of every stage, whatever its provider."""

    cidr: Annotated[str, Meta(description="The network of the hosts, as in `192.168.56.0/24`.")] | None = None
    number_of_hosts: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=250,
                description="The number of hosts in all. By default as many as `ip_address_list` has, else 4 with a "
                "separate repository and 3 without.",
            ),
        ]
        | None
    ) = None
    separate_repository: Annotated[
        bool,
        Meta(
            description="Whether the repository only builds images and runs the registry, and does not join the swarm."
        ),
    ] = True
    repository: (
        Annotated[
            str,
            Meta(
                description="The host that builds images and runs the registry, as `hive3`. By default the last one "
                "when the stage was made; it stays the repository when hosts come and go. Another name moves the "
                "registry with its images. The line stays then: without it the hosts' firewalls close the former "
                "registry, which services may still pull from."
            ),
        ]
        | None
    ) = None
    custom_hostname: Annotated[
        Label,
        Meta(description="The hosts' name before their number: lower-case letters, digits and `-`."),
    ] = "hive"
    prefix: (
        Annotated[
            str,
            Meta(
                pattern=r"^([a-z0-9]([a-z0-9-]*))?$",
                description="The prefix of host names. By default `p-` for stage private, `s-` for staging, else none.",
            ),
        ]
        | None
    ) = None
    ip_address_list: Annotated[
        list[str],
        Meta(description="The hosts' addresses, in order. By default they are counted up in `cidr`."),
    ] = []
    internal_cidr: (
        Annotated[
            str,
            Meta(
                description="The addresses for Docker's own networks, as in `172.31.252.0/22`: a quarter for overlay "
                "networks, a quarter for the routing mesh, an eighth each for docker_gwbridge and docker0."
            ),
        ]
        | None
    ) = None
    data_path_port: Annotated[
        int,
        Meta(
            ge=1024,
            le=49151,
            description="The UDP port of overlay network traffic between hives, for networks that block 4789. A swarm "
            "keeps the port that it was made with.",
        ),
    ] = 4789
    ssh_source_ips: Annotated[
        list[str],
        Meta(
            description="The networks that may connect by ssh; this machine must be in one of them. An empty "
            "list allows all."
        ),
    ] = []
    node_labels: Annotated[
        dict[str, dict[str, Scalar]],
        Meta(
            description="Hive to the labels of its node in the swarm, for `placement.constraints`, as in `hive0.disk = "
            '"ssd"`. Labels that were set otherwise stay.'
        ),
    ] = {}
    sysctls: Annotated[
        dict[str, Scalar],
        Meta(description="Kernel parameters of this stage's hosts, beside those of `setup_hosts`."),
    ] = {}
    host_sysctls: Annotated[
        dict[str, dict[str, Scalar]],
        Meta(description="Host to kernel parameters of its own, which take precedence."),
    ] = {}
    vars: Annotated[
        dict[Variable, Any],
        Meta(description="Variables of this stage, which take precedence over the site's `[vars]`."),
    ] = {}
