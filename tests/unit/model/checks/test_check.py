"""Mistakes of sense: names, addresses and ports that don't fit together."""

from pathlib import Path

import pytest

from model.site_file.load import load
from tests.unit.model.good_site import GOOD, problems


def of_web(text: str) -> tuple[str, str]:
    """Return the change that adds keys to the service."""
    return 'image = "web"', f'image = "web"\n{text}'


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('image = "web"', 'image = "wob"'), "services.web.image: 'wob' is not one of [images]"),
        (
            ('image = "web"', 'image = "web"\nnetworks = ["back"]'),
            "services.web.networks[0]: there is no network 'back'",
        ),
        (('source = "data"', 'source = "dota"'), "services.web.volumes[0].source: there is no volume 'dota'"),
        (
            ('image = "web"', 'image = "web"\nsecrets = ["key"]'),
            "services.web.secrets[0]: takes the name of a secret",
        ),
        (
            ('image = "web"', 'image = "web"\navailable_on = ["x"]'),
            "services.web.available_on[0]: there is no stage 'x'",
        ),
        (
            ('image = "web"', 'image = "web"\nread_only = true\ninitialize_roles = ["nginx"]'),
            "services.web.read_only: initialize_roles writes into the container's root; only one of both can be",
        ),
        (
            ('image = "web"', 'image = "web"\nendpoint_mode = "dnsrr"'),
            "services.web.ports: endpoint_mode dnsrr",
        ),
        (
            ('roles = ["nginx"', 'roles = ["apache"'),
            "images.web.roles[0]: there is no directory roles/apache",
        ),
        (('"8080:80"', '"x:80"'), "services.web.ports[0]: 'x:80' is not of the form"),
        (('"8080:80"', '"80"'), ""),
        (('"8080:80"', '"80", "80"'), "services.web.ports: 80/tcp is left open twice"),
        (
            of_web('depends_on = ["db"]'),
            "services.web.depends_on[0]: there is no service 'db' (there are: web)",
        ),
        (of_web('networks = ["host", "front"]'), "services.web.networks[0]: the host's network stands alone"),
        (of_web('networks = ["bridge"]'), "services.web.networks[0]: bridge is one engine's own network"),
        (
            of_web('networks = ["host"]'),
            "services.web.ports: in the host's network a container's ports are the host's: name them for the firewall",
        ),
        (
            ("[networks.front]", "[networks.host]\n[networks.front]"),
            "networks.host: the name is Docker's own; choose another (a service is in the host's network with",
        ),
        (
            ("[networks.front]", "[networks.front]\nexternal = true\nencrypted = true"),
            "networks.front.encrypted: skep does not make what is external = true: leave it out",
        ),
        (
            ("[networks.front]", '[networks.front]\nname = "x"'),
            "networks.front.name: goes with external = true",
        ),
        (('hosts = ["hive0"]', 'hosts = ["hive0"]\nexternal = true\nname = "x"'), ""),
        (
            ('hosts = ["hive0"]', 'external = true\nhosts = ["hive0"]\nlabels.x = "x"'),
            "volumes.data.labels: skep does not make what is external",
        ),
        (
            ("[networks.front]", '[configs.a]\nexternal = true\ntext = "x"\n[networks.front]'),
            "configs.a.text: skep does not make what is external",
        ),
        (("[networks.front]", '[configs.a]\nexternal = true\nname = "a.b"\n[networks.front]'), ""),
        (
            ("[networks.front]", "[configs.a]\n[networks.front]"),
            "configs.a: needs exactly one of file, text, external",
        ),
        (of_web('labels = { "skep.site" = "x" }'), "services.web.labels: 'skep.site' is skep's own"),
        (
            of_web('container_labels = { "skep.x" = 1 }'),
            "services.web.container_labels: 'skep.x' is skep's own",
        ),
        (
            ('"/data" }]', '"/data" }, { type = "tmpfs", target = "/dev/shm/" }]\nshm_size = "1G"'),
            "services.web.shm_size: volumes[1] is /dev/shm already: set its tmpfs_size instead",
        ),
        (
            ('"8080:80"', '"127.0.0.1:8080:80"'),
            "services.web.ports[0]: '127.0.0.1:8080:80': the swarm publishes a port on all addresses of a host, never",
        ),
        (
            ('"8080:80"', '"[::1]:8080:80/udp"'),
            "services.web.ports[0]: '[::1]:8080:80/udp': the swarm publishes a port",
        ),
        (
            ('"8080:80"', '"8000-8010:80"'),
            "services.web.ports[0]: '8000-8010:80' is a range: write each port by itself",
        ),
        (of_web('depends_on = ["web"]'), "services.web.depends_on[0]: web depends on web as well"),
        (of_web('mode = "global"\nreplicas = 2'), "services.web.replicas: a service with mode"),
        (
            of_web("max_concurrent = 2"),
            'services.web.max_concurrent: only a service with mode = "replicated-job"',
        ),
        (
            of_web('mode = "global"\nplacement.max_replicas_per_node = 2'),
            "services.web.placement.max_replicas_per_node: mode",
        ),
        (
            of_web('mode = "global-job"\nupdate_config.delay = "1s"'),
            "services.web.update_config: a job is not rolled out",
        ),
        (
            of_web('mode = "global-job"\nrollback_config.delay = "1s"'),
            "services.web.rollback_config: a job does not go back",
        ),
        (
            of_web('mode = "global-job"\nrestart_config.delay = "1s"'),
            "services.web.restart_config.condition: a job ends",
        ),
        (
            of_web("ulimits.core = { soft = 2, hard = 1 }"),
            "services.web.ulimits.core: soft 2 is more than hard 1",
        ),
        (of_web("ulimits.core = { soft = 2, hard = -1 }"), ""),
        (
            of_web("cpu_limit = 1\ncpu_reservation = 2"),
            "services.web.cpu_reservation: 2 is more than cpu_limit 1",
        ),
        (
            of_web('mem_limit = "1M"\nmem_reservation = "1G"'),
            "services.web.mem_reservation: 1G is more than mem_limit 1M",
        ),
        (of_web('cap_add = ["net admin"]'), "services.web.cap_add[0]: 'net admin' is not a capability"),
        (
            of_web('standalone = true\nentrypoint = "x"'),
            "services.web.standalone: the containers run /sbin/init",
        ),
        (
            ('target = "/data"', 'target = "/data", propagation = "shared"'),
            "services.web.volumes[0].propagation: only a bind has one",
        ),
        (('"8080:80"', '"22:80"'), "services.web.ports: 22/tcp is ssh's already"),
        (('"8080:80"', '"443:80"'), "services.web.ports: 443/tcp is web's already"),
        (('"8080:80"', '"444:80"'), ""),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.1/24"'),
            "stages.private.cidr: 172.31.0.1/24 has host bits set: write 172.31.0.0/24",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "0.0.0.0/0"'),
            "stages.private.cidr: 0.0.0.0/0 has loopback addresses in it",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/24"\ninternal_cidr = "127.0.0.0/16"'),
            "stages.private.internal_cidr: 127.0.0.0/16 has loopback addresses in it",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/24"\ninternal_cidr = "fd00::/48"'),
            "stages.private.internal_cidr: fd00::/48 is IPv6",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/30"'),
            "stages.private.cidr: 172.31.0.0/30 is too small",
        ),
        (('cidr = "172.31.0.0/24"', ""), "stages.private: needs cidr"),
        (
            (
                'cidr = "172.31.0.0/24"',
                'cidr = "172.31.0.0/24"\nip_address_list = ["10.0.0.1", "172.31.0.2"]',
            ),
            "stages.private.ip_address_list[0]: 10.0.0.1 is outside cidr",
        ),
        (('hosts = ["hive0"]', 'hosts = ["hive9"]'), "volumes.data.hosts[0]: 'hive9' is not a hive"),
        (("[networks.front]", "[secrets.x]\n[networks.front]"), "secrets.x: needs exactly one of"),
        (("[networks.front]", "[secrets.x]\ncommand = []\n[networks.front]"), "secrets.x.command: is empty"),
        (
            ("[networks.front]", f"[secrets.{'x' * 52}]\ngenerate = 12\n[networks.front]"),
            f"secrets.{'x' * 52}: a name may have 51 characters",
        ),
        (
            ("[networks.front]", '[bases.a]\ntarball = "a.tar"\n[networks.front]'),
            "bases.a.tarball: there is no file",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "fd00::/64"'),
            "stages.private.cidr: fd00::/64 is IPv6; provider docker makes networks of IPv4 only",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/24"\nhost_image = "i:"'),
            "stages.private.host_image: 'i:' is not an image reference",
        ),
        (
            ("[networks.front]", '[networks.front]\nipam = { subnet = "172.31.0.128/25" }'),
            "networks.front.ipam.subnet: 172.31.0.128/25 overlaps with stages.private.cidr",
        ),
        (("[networks.front]", '[networks.front]\nipam = { subnet = "172.31.1.0/24" }'), ""),
        (
            ("[networks.front]", '[networks.front]\nipam = { subnet = "fd00::/64" }'),
            "networks.front.ipam.subnet: fd00::/64 is IPv6: the engine takes it, and then no container can join",
        ),
        (
            (
                "[networks.front]",
                (
                    '[networks.front]\nipam = { config = [{ subnet = "10.1.0.0/24", ip_range = "10.1.0.128/25" }, '
                    '{ subnet = "10.2.0.0/24", gateway = "10.2.0.9" }] }'
                ),
            ),
            "",
        ),
        (
            ("[networks.front]", '[networks.front]\nipam = { gateway = "10.1.0.1" }'),
            "networks.front.ipam: gateway and ip_range need the subnet that they are in",
        ),
        (("[networks.front]", "[networks.front]\nipam = {}"), "networks.front.ipam: needs subnet, or config"),
        (
            (
                "[networks.front]",
                '[networks.front]\nipam = { subnet = "10.1.0.0/24", config = [{ subnet = "10.1.0.128/25" }] }',
            ),
            "networks.front.ipam.config[0].subnet: 10.1.0.128/25 overlaps with 10.1.0.0/24, which is the network's",
        ),
        (
            (
                "[networks.front]",
                '[networks.front]\nipam = { subnet = "10.1.0.0/24", ip_range = "10.2.0.0/25" }',
            ),
            "networks.front.ipam.ip_range: 10.2.0.0/25 is outside 10.1.0.0/24",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/24"\ninternal_cidr = "172.31.0.0/22"'),
            "stages.private.internal_cidr: 172.31.0.0/22 overlaps with cidr 172.31.0.0/24",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/24"\ninternal_cidr = "10.1.0.0/25"'),
            "stages.private.internal_cidr: 10.1.0.0/25 is too small to be divided",
        ),
        (
            (
                'cidr = "172.31.0.0/24"',
                (
                    'cidr = "172.31.0.0/24"\ninternal_cidr = "10.1.0.0/22"\n[networks.back]\n'
                    'ipam = { subnet = "10.1.1.0/24" }'
                ),
            ),
            "networks.back.ipam.subnet: 10.1.1.0/24 overlaps with 10.1.1.0/24, which stages.private.internal_cidr has",
        ),
        (
            ('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/24"\ndata_path_port = 80'),
            "stages.private.data_path_port: 80 must be at least 1024",
        ),
        (
            ('"/data" }', '"/data" }, { type = "tmpfs", target = "/data/" }'),
            "services.web.volumes[1].target: /data is mounted twice",
        ),
        (
            ('"/data" }', '"/data", tmpfs_size = "1M" }'),
            'services.web.volumes[0].tmpfs_size: only a tmpfs has one; this is of type = "volume"',
        ),
        (
            ('image = "web"', 'image = "web"\ndns = ["192.0.2.1", "dns.example"]'),
            "services.web.dns[1]: 'dns.example' is not an address",
        ),
        (
            ('image = "web"', 'image = "web"\nhosts = { db = "300.0.2.1" }'),
            "services.web.hosts.db: '300.0.2.1' is not an address",
        ),
        (('image = "web"', 'image = "web"\nhosts = { db = "::1" }'), ""),
        (
            ("[networks.front]", '[setup_hosts]\nhosts = { db = "" }\n[networks.front]'),
            "setup_hosts.hosts.db: '' is not an address",
        ),
        (
            ('image = "web"', 'image = "web"\nenvironment = { "A=B" = "c" }'),
            "services.web.environment: 'A=B' is not a variable's name",
        ),
        (('"debian:12"', '"debian:12"\nenv = { "" = "c" }'), "images.web.env: '' is not a variable's name"),
        (('"debian:12"', '""'), "images.web.from: '' is not an image reference"),
        (('"debian:12"', '"debian:"'), "images.web.from: 'debian:' is not an image reference"),
        (
            (
                '"debian:12"',
                '"odd base"\n[bases."odd base"]\ndebootstrap = "bookworm"\n[images.x]\nfrom = "x"',
            ),
            "",
        ),
        (('image = "web"', 'image = "i:"'), "services.web.image: 'i:' is not an image reference"),
        (('image = "web"', 'image = ""'), "services.web.image: '' is not one of [images]"),
        (('image = "web"', f'image = "[::1]:5000/a/b_c:V1@sha256:{"0" * 64}"'), ""),
        (
            ('"debian:12"', '"debian:12"\npull_on = ["private"]\npull_from = "hub/Web"'),
            "images.web.pull_from: 'hub/Web' is not an image reference",
        ),
        (
            ("[networks.front]", '[services.b]\nimage = "x:1"\nports = ["8080:1"]\n[networks.front]'),
            "services.web.ports: 8080/tcp is b's",
        ),
    ],
)
def test_what_does_not_fit_together_is_said_with_its_path(
    site_dir: Path, change: tuple[str, str], problem: str
) -> None:
    """A name that does not exist, an address outside, a port taken twice: each is found before anything is touched."""
    text = GOOD.replace(*change)
    assert text != GOOD
    if not problem:
        (site_dir / "site.toml").write_text(text)
        load(site_dir / "site.toml")
        return

    found = problems(site_dir, text)

    assert any(line.startswith(problem) for line in found), found


_DOCKER = 'provider = "docker"\ncidr = "172.31.0.128/25"\nnumber_of_hosts = 2'
_LAN = 'provider = "prepared"\nnumber_of_hosts = 2\ncidr = "172.31.0.0/16"'
_VAGRANT = 'provider = "vagrant"\nnumber_of_hosts = 2\ncidr = "172.31.0.0/16"'
_AWS = (
    'provider = "aws"\nregion = "eu-central-1"\ninstance_type = "t3.small"\nnumber_of_hosts = 2\n'
    'cidr = "172.31.0.0/16"'
)


@pytest.mark.parametrize(
    ("stage", "overlapping"),
    [
        (_DOCKER, "172.31.0.128/25"),
        (_DOCKER.replace("172.31.0.128", "172.31.1.128"), ""),
        (_LAN, "172.31.0.0/16"),
        ('provider = "prepared"\nip_address_list = ["192.0.2.9", "172.31.0.9"]', "192.0.2.9, 172.31.0.9"),
        (_VAGRANT, "172.31.0.0/16"),
        (_VAGRANT + '\nbridge = "br0"', "172.31.0.0/16"),
        (_AWS, ""),
    ],
)
def test_stages_that_one_machine_has_to_reach_don_t_overlap(
    site_dir: Path, stage: str, overlapping: str
) -> None:
    """A docker stage's network is on this machine, and can't have what another has; a cloud's VPC is elsewhere."""
    text = GOOD.replace("[images.web]", f"[stages.other]\n{stage}\n[images.web]")
    if not overlapping:
        (site_dir / "site.toml").write_text(text)
        load(site_dir / "site.toml")
        return

    [said] = problems(site_dir, text)
    assert said.startswith(
        f"stages.other.cidr: {overlapping} overlaps with 172.31.0.0/24 of stages.private, and"
    )


def test_stages_in_one_lan_may_share_it(site_dir: Path) -> None:
    """Prepared machines of two stages may be in one network: skep makes none there."""
    text = GOOD.replace("[images.web]", f"[stages.other]\n{_LAN}\n[stages.third]\n{_LAN}\n[images.web]")
    text = text.replace('cidr = "172.31.0.0/24"', 'cidr = "10.9.0.0/24"')
    (site_dir / "site.toml").write_text(text)
    load(site_dir / "site.toml")


HOST_PORTS = """
[stages.production.node_labels]
hive0.pg = 1
hive0.disk = "ssd"
hive1.pg = 2
[services.a]
image = "x:1"
available_on = ["production"]
ports = [{ target_port = 5432, published_port = 5432, mode = "host" }]
placement.constraints = ["A"]
[services.b]
image = "x:1"
available_on = ["production"]
ports = [{ target_port = 5432, published_port = 5432, mode = "host" }]
placement.constraints = ["B"]
"""


@pytest.mark.parametrize(
    ("one", "other", "is_apart"),
    [
        ("node.labels.pg == 1", "node.labels.pg == 2", True),
        ("node.labels.by_hand == 1", "node.labels.by_hand == 2", True),
        ("node.labels.by_hand == 1", "node.labels.by_hand != 1", True),
        ("node.labels.by_hand == 1", "node.labels.other == 1", False),
        ("node.labels.disk == ssd", "node.labels.pg == 2", True),
        ("node.labels.disk != ssd", "node.labels.pg == 2", False),
        ("node.hostname == hive0", "node.hostname == hive1", True),
        ("node.hostname == {{ hosts.hive0.name }}", "node.hostname == {{ hosts.hive1.name }}", True),
        ("node.hostname == {{ hosts.hive0.name }}", "node.hostname == {{ hives[0].name }}", False),
        ("node.hostname == hive0", "node.hostname == hive0.example", False),
        ("node.hostname == hive0", "node.labels.pg == 2", True),
        ("node.role == manager", "node.role == manager", False),
    ],
)
def test_services_on_different_hives_may_have_the_same_port(
    site_dir: Path, one: str, other: str, *, is_apart: bool
) -> None:
    """With `mode = "host"`, and where site.toml shows that they never meet."""
    (site_dir / "site.toml").write_text(
        GOOD + HOST_PORTS.replace('"A"', f'"{one}"').replace('"B"', f'"{other}"')
    )

    if is_apart:
        load(site_dir / "site.toml")
        return
    [line] = problems(site_dir, (site_dir / "site.toml").read_text())
    assert line.startswith(
        "services.b.ports: 5432/tcp is a's already; two services may both have it with mode ="
    )
