"""Reading site.toml: strictly, and all mistakes at once."""

import json
from pathlib import Path

import pytest

from model.errors import ConfigError
from model.site import DockerStage, PreparedStage, PublishedPort, RoleUse
from model.site_file.load import load, parse_site, schema, select

GOOD = """
site = "example"
[stages.private]
provider = "docker"
cidr = "172.31.0.0/24"
[stages.production]
provider = "prepared"
ip_address_list = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
separate_repository = false
[images.web]
from = "debian:12"
roles = ["nginx", { role = "nginx", vars = { PORT = 80 } }]
[networks.front]
[volumes.data]
hosts = ["hive0"]
[services.web]
image = "web"
ports = ["8080:80", { target_port = 443, published_port = 443, mode = "host" }]
volumes = [{ source = "data", target = "/data" }]
"""


def of_web(text: str) -> tuple[str, str]:
    """Return the change that adds keys to the service."""
    return 'image = "web"', f'image = "web"\n{text}'


WRONG_INTERVAL = (
    "services.web.healthcheck.interval: '5' is not allowed: "
    "A duration with its unit, as in `90s`, `1m30s`, `500ms`."
)


@pytest.fixture
def site_dir(tmp_path: Path) -> Path:
    """Return a site's directory with one role."""
    role = tmp_path / "roles" / "nginx"
    role.mkdir(parents=True)
    (role / "setup.sh").write_text("true\n")
    return tmp_path


def problems(directory: Path, text: str) -> list[str]:
    """Return the mistakes that loading a text finds, without the file's name."""
    (directory / "site.toml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(directory / "site.toml")
    return [problem.removeprefix("site.toml: ") for problem in raised.value.problems]


def test_a_good_site_becomes_types(site_dir: Path) -> None:
    """What is written comes back as frozen types, stages by their provider."""
    (site_dir / "site.toml").write_text(GOOD)

    site = load(site_dir / "site.toml")

    assert isinstance(site.stages["private"], DockerStage)
    assert isinstance(site.stages["production"], PreparedStage)
    assert site.images["web"].roles == [RoleUse(role="nginx"), RoleUse(role="nginx", vars={"PORT": 80})]
    assert site.services["web"].ports == [PublishedPort(80, 8080), PublishedPort(443, 443, mode="host")]
    with pytest.raises(AttributeError):
        site.site = "other"  # type: ignore[misc]


def test_all_mistakes_of_form_come_at_once_each_with_its_path(site_dir: Path) -> None:
    """No mistake hides another, and each line begins with the path of its mistake."""
    found = problems(
        site_dir,
        """
site = "example"
colour = 1
[stages.private]
provider = "dockr"
[stages.staging]
provider = "docker"
cidrr = "172.31.0.0/24"
[services.web]
imag = "web"
replicas = -1
ports = [{ target_port = 1, published_prt = 3 }]
healthcheck = { test = "true", interval = "5" }
""",
    )

    assert sorted(found) == sorted(
        [
            "unknown key 'colour'",
            (
                "stages.private.provider: 'dockr' is not one of aws, azure, docker, gcp, kickstart, openstack, "
                "prepared, vagrant"
            ),
            "stages.staging: unknown key 'cidrr', did you mean 'cidr'?",
            "services.web: the key 'image' is missing",
            "services.web: unknown key 'imag', did you mean 'image'?",
            "services.web.replicas: -1 must be at least 0",
            "services.web.ports[0]: unknown key 'published_prt', did you mean 'published_port'?",
            WRONG_INTERVAL,
        ]
    )


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
            "services.web.secrets[0]: there is no secret 'key'",
        ),
        (
            (
                "[networks.front]",
                '[images.made]\nbuild = "made"\nsecrets = ["x"]\n[secrets.x]\ngenerate = 12\n[networks.front]',
            ),
            "images.made.secrets: only roles see them, and the image has none",
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
            "stages.private.cidr: 172.31.0.1/24 has host bits set",
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
            "bases.'a'.tarball: there is no file",
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


def test_mistakes_of_form_hide_none_of_sense(site_dir: Path) -> None:
    """Both come at once. What has a mistake of form is left out, and nothing is said about its absence."""
    text = (
        GOOD.replace('ports = ["8080:80"', 'netwrks = []\nports = ["8080:80"')
        .replace('from = "debian:12"', "from = 12")
        .replace('cidr = "172.31.0.0/24"', 'cidr = "172.31.0.0/24"\nports = 1')
        .replace("[networks.front]", "colour = 1\n[networks.front]")
        .replace('site = "example"', 'site = "example"\nstage = "private"\ncolour = 1')
        .replace("192.0.2.3", "192.0.2.2")
    )
    text += """
[services.Bad]
image = "x:1"
[services.other]
image = "web"
secrets = ["key"]
available_on = ["private"]
[services.third]
image = "webb"
"""

    found = problems(site_dir, text)

    assert [line for line in found if "services.other" in line] == [
        "services.other.secrets[0]: there is no secret 'key' (there are none)"
    ]
    assert "stages.production.ip_address_list[2]: 192.0.2.2 occurs twice" in found
    assert any(line.startswith("services.third.image: 'webb' is not one of [images]") for line in found)
    assert any(line.startswith("services.web: unknown key 'netwrks'") for line in found)
    assert not [line for line in found if "stage: 'private'" in line]
    assert len(found) == len(set(found)) == 9, found


def test_bad_toml_names_the_line(site_dir: Path) -> None:
    """TOML's own mistakes come with their line and column."""
    assert "line 2, column" in problems(site_dir, 'site = "x"\nstages = [}\n')[0]


def test_a_missing_file_says_where_to_start(tmp_path: Path) -> None:
    """Without site.toml the message says what is looked for and where."""
    with pytest.raises(ConfigError, match=r"there is no site\.toml here"):
        load(tmp_path / "site.toml")


def test_the_stage_is_the_one_asked_for(site_dir: Path) -> None:
    """Asked for wins over `stage =`, that over `private`; an unknown one is refused with the known ones."""
    (site_dir / "site.toml").write_text('stage = "production"\n' + GOOD)
    site = load(site_dir / "site.toml")

    assert select(site, None).name == "production"
    assert select(site, "private").name == "private"
    with pytest.raises(ConfigError, match=r"no stage 'prod' in site\.toml; it has private, production"):
        select(site, "prod")


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    """Editors complete from the same types: the example site and the good one are valid under the schema."""
    import tomli
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    for text in (GOOD, (Path(__file__).parents[4] / "site.toml").read_text()):
        Draft202012Validator(schema()).validate(tomli.loads(text))
    assert json.loads(json.dumps(schema())) == schema()


def test_every_mistake_of_form_is_found_by_both() -> None:
    """What msgspec refuses, the message names; it never falls back to msgspec's single one for these."""
    with pytest.raises(ConfigError) as raised:
        parse_site({"site": "Example", "stages": {}, "services": {"Web": {"image": "x:1"}}})

    assert len(raised.value.problems) == 3
