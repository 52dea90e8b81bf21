"""Labels of nodes and kernel parameters in site.toml: whose they can be."""

from pathlib import Path

import pytest

from model.site_file.load import load
from tests.unit.model.good_site import GOOD, problems

LABELS, SYSCTLS = "stages.production.node_labels", "stages.production.host_sysctls"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            'sysctls = { "vm.max_map_count" = 262144 }',
            "services.web.sysctls: vm.max_map_count is the whole host's, and no container's: write it in [setup_",
        ),
        ("sysctls.vm.swappiness = 1", "services.web.sysctls: vm.swappiness is the whole host's"),
        ("sysctls.nonsense = 1", "services.web.sysctls: 'nonsense' is not a kernel parameter"),
        ("[setup_hosts.sysctls]\n'a b' = 1", "setup_hosts.sysctls: 'a b' is not a kernel parameter"),
        (
            "[setup_hosts.sysctls]\n'vm.swappiness' = 1\n'vm/swappiness' = 2",
            "setup_hosts.sysctls: 'vm/swappiness' is 'vm.swappiness', which is there already",
        ),
        (
            "[setup_hosts.sysctls]\nnet.ipv4.ip_forward = 0",
            "setup_hosts.sysctls: net.ipv4.ip_forward = 0 would cut off containers: Docker's networks need it",
        ),
        (
            f"[{SYSCTLS}]\nhive0.'net/ipv4/conf/all/forwarding' = false",
            f"{SYSCTLS}.hive0: net/ipv4/conf/all/forwarding = 0 would cut off containers",
        ),
        (
            f"[{SYSCTLS}]\nhive9.vm.swappiness = 1",
            f"{SYSCTLS}.hive9: is not one of its hosts (there are: hive0",
        ),
        (f"[{LABELS}]\nhive9.pg = 1", f"{LABELS}.hive9: is not a hive of stage production"),
        (f"[{LABELS}]\nhive0.'a b' = 1", f"{LABELS}.hive0: 'a b' is not a label that constraints can name"),
        (f"[{LABELS}]\nhive0.skep.x = 1", f"{LABELS}.hive0: 'skep.x' is skep's own"),
    ],
)
def test_mistakes_of_the_file(site_dir: Path, text: str, line: str) -> None:
    """A parameter of the whole host in a service failed when its container started."""
    assert [found[: len(line)] for found in problems(site_dir, f"{GOOD}{text}\n")] == [line]


def test_the_kernels_own_spelling_of_several_numbers_is_taken(site_dir: Path) -> None:
    """It writes tabs between them, and so does `sysctl -a`, from which people copy."""
    (site_dir / "site.toml").write_text(f'{GOOD}sysctls."net.ipv4.ip_local_port_range" = "1024\t65535"\n')

    assert load(site_dir / "site.toml").services["web"].sysctls == {
        "net.ipv4.ip_local_port_range": "1024\t65535"
    }
