"""`fill.py identity|resources PORT`: put users, or what there is to use, into the cloud. The password is `SECRET`."""

import importlib
import os
import sys
from typing import Any

REGION = "RegionOne"
ZONES = ("az1", "az2", "az3")
FLAVORS = {"m1.small": (1, 1024, 10), "m1.medium": (2, 4096, 20), "m1.large": (4, 8192, 40)}
"""CPUs, MiB of memory, GiB of disk."""
CATALOGUE = {
    "placement": (2, "placement", ""),
    "image": (3, "glance", ""),
    "network": (4, "neutron", ""),
    "compute": (5, "nova", "/v2.1"),
    # openstacksdk and nova call it by two names.
    "block-storage": (6, "cinder", "/v3"),
    "volumev3": (6, "cinder", "/v3"),
    "sharev2": (7, "manila", "/v2/$(project_id)s"),
}
"""Type of service to its port's number, its name, and the path of its API."""


def identity(cloud: Any, base: int, secret: str) -> None:
    """Make the catalogue, the services' own user, and an ordinary one."""
    for kind, (offset, name, path) in CATALOGUE.items():
        service = cloud.identity.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            cloud.identity.create_endpoint(
                service_id=service.id,
                interface=interface,
                region_id=REGION,
                url=f"http://127.0.0.1:{base + offset}{path}",
            )
    roles = {role.name: role for role in cloud.identity.roles()}
    projects = {
        name: cloud.identity.create_project(name=name, domain_id="default") for name in ("service", "demo")
    }
    for name, place, wanted in (
        ("service", "service", ("admin", "service")),
        ("demo", "demo", ("member", "reader")),
        ("onlooker", "demo", ("reader",)),
    ):
        project = projects[place]
        user = cloud.identity.create_user(
            name=name, password=secret, domain_id="default", default_project_id=project.id
        )
        for word in wanted:
            role = roles.get(word) or cloud.identity.create_role(name=word)
            cloud.identity.assign_project_role_to_user(project.id, user.id, role.id)


def resources(cloud: Any, base: int, secret: str) -> None:
    """Make flavors, zones, an image, types of shares, and the network that leads out."""
    del base, secret
    for name in ("plain", "served"):
        specs = {"driver_handles_share_servers": str(name == "served"), "share_backend_name": name}
        body = {"share_type": {"name": name, "extra_specs": specs}}
        cloud.shared_file_system.post("/types", json=body, microversion="2.50").raise_for_status()
    for name, (cpus, memory, disk) in FLAVORS.items():
        cloud.compute.create_flavor(name=name, vcpus=cpus, ram=memory, disk=disk)
    for zone in ZONES:
        aggregate = cloud.compute.create_aggregate(name=zone, availability_zone=zone)
        cloud.compute.add_host_to_aggregate(aggregate, f"host-{zone}")
    cloud.image.create_image(
        "debian-12",
        data=b"nothing starts from it\n" * 50,
        disk_format="raw",
        container_format="bare",
        visibility="public",
        min_disk=2,
        os_distro="debian",
        os_version="12",
        wait=True,
    )
    public = cloud.network.create_network(
        name="public",
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network="outside",
    )
    cloud.network.create_subnet(
        network_id=public.id, name="public", ip_version=4, cidr="198.51.100.0/24", is_dhcp_enabled=False
    )


def main() -> None:
    """Do it, as the administrator."""
    what, base, secret = sys.argv[1], int(sys.argv[2]), os.environ["SECRET"]
    connect: Any = importlib.import_module("openstack").connect
    cloud = connect(
        auth_url=f"http://127.0.0.1:{base}/v3",
        username="admin",
        password=secret,
        project_name="admin",
        user_domain_id="default",
        project_domain_id="default",
        region_name=REGION,
        load_yaml_config=False,
        load_envvars=False,
    )
    {"identity": identity, "resources": resources}[what](cloud, base, secret)


if __name__ == "__main__":
    main()
