"""The resources that stages want of every cloud. Pure: nothing is asked."""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

from model.hosts.firewall import Rule, inbound, rule_inputs
from model.keys.digest import Inputs
from model.stage import Stage
from providers.base import Resource
from providers.cloud.host import HostSpec

NETWORK, FIREWALL, SUBNET, ADDRESS, NFS = "network", "firewall", "subnet.", "address.", "nfs"
"""Names of resources; those that end with a dot begin the names of resources of which there are several."""

DISK_SPACE = "GiB of disk"


def firewall_resource(stage: Stage, layout: str, needs: tuple[str, ...] = (NETWORK,)) -> Resource:
    """Return the firewall of a stage.

    Args:
        stage: The stage.
        layout: Raised by the cloud when its networks have to be others for a new version of skep.
        needs: Names of the resources that must be there before it.

    """
    return Resource(
        FIREWALL,
        {"layout": layout},
        settings=rule_inputs(inbound(stage)),
        needs=needs,
        doc="inbound rules of the hosts: ssh, published ports, traffic between hosts",
    )


def address_resources(
    stage: Stage, needs: tuple[str, ...] = (), label: str = "public address"
) -> Sequence[Resource]:
    """Return the public addresses of a stage's hosts.

    Args:
        stage: The stage.
        needs: Names of the resources that must be there before them.
        label: The cloud's word for one.

    """
    return [
        Resource(
            ADDRESS + host.short,
            {"host": host.short},
            needs=needs,
            doc=f"the {label} of {host.name}",
            quota_usage={"public addresses": 1},
            costs={"public addresses": 1},
        )
        for host in stage.hosts
        if stage.has_public_address(host)
    ]


def host_resources(specs: Iterable[HostSpec], inputs: Callable[[HostSpec], Inputs]) -> Sequence[Resource]:
    """Return the hosts of a stage.

    Args:
        specs: Their specifications.
        inputs: Returns a host's inputs.

    """
    return [
        Resource(
            spec.short,
            inputs(spec),
            settings=spec.settings,
            needs=(
                NETWORK,
                SUBNET + spec.place.subnet.name,
                FIREWALL,
                *([ADDRESS + spec.short] if spec.is_public else []),
            ),
            is_host=True,
            doc=f"{spec.name}, {spec.instance_type} at {spec.place.address}",
            quota_usage={
                "hosts": 1,
                "disks": 1 + bool(spec.data_size),
                DISK_SPACE: spec.disk_size + spec.data_size,
            },
            costs={DISK_SPACE: spec.disk_size + spec.data_size},
            running_costs={spec.instance_type: 1},
            least=() if spec.has_own_size else (DISK_SPACE,),
        )
        for spec in specs
    ]


def rules_drift(there: AbstractSet[Rule], wanted: AbstractSet[Rule]) -> str:
    """Return how a firewall's rules differ from those that are wanted, or nothing. Pure."""
    differences = [
        *(f"closed: {rule}" for rule in sorted(wanted - there)),
        *(f"open: {rule}" for rule in sorted(there - wanted)),
    ]
    return f"the firewall rules differ ({', '.join(differences)})" if differences else ""
