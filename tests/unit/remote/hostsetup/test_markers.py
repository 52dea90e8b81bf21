"""Reading a host's markers: the script as text, and the meaning of its output."""

import subprocess

import pytest

from remote.hostsetup.markers import AppliedStep, parse, read_script


def test_the_script_is_posix_shell() -> None:
    """It is run as it is on every host."""
    subprocess.run(["sh", "-n"], input=read_script().encode(), check=True)


MARKERS = """\
= markers
chrony:key k1
chrony:unit chrony.service
chrony:sha256 aa  /etc/chrony.conf
chrony:mode 644 root /etc/chrony.conf
firewall:key k2
firewall:unit skep-firewall.service
firewall:sha256 bb  /etc/skep/firewall
firewall:mode 755 root /etc/skep/firewall
firewall:test iptables -w -C INPUT -j SKEP-INPUT
"""


def found(digests: str = "", modes: str = "", units: str = "active\nactive\n", tests: str = "holds\n") -> str:
    """Return an output of the script."""
    modes = modes or "755 root /\n644 root /etc/chrony.conf\n755 root /etc/skep/firewall\n"
    return f"{MARKERS}= digests\n{digests}= modes\n{modes}= units\n{units}= tests\n{tests}= end\n"


def test_a_host_as_recorded_has_no_drift() -> None:
    """Each step has the key of its marker."""
    assert parse(found()) == {"chrony": AppliedStep("k1"), "firewall": AppliedStep("k2")}


@pytest.mark.parametrize(
    ("output", "step", "drift"),
    [
        (found("/etc/chrony.conf: FAILED\n"), "chrony", "/etc/chrony.conf was changed"),
        (found("/etc/skep/firewall: FAILED open or read\n"), "firewall", "/etc/skep/firewall is gone"),
        (found(units="active\ninactive\n"), "firewall", "skep-firewall.service is inactive"),
        (found(units="failed\nactive\n"), "chrony", "chrony.service is failed"),
        (found(units="active\n"), "firewall", "skep-firewall.service is unknown"),
        (found(tests="fails\n"), "firewall", "`iptables -w -C INPUT -j SKEP-INPUT` fails"),
        (
            found(modes="666 root /etc/chrony.conf\n755 root /etc/skep/firewall\n"),
            "chrony",
            "/etc/chrony.conf is 666 root, not 644 root",
        ),
        (
            found(modes="644 root /etc/chrony.conf\n755 alice /etc/skep/firewall\n"),
            "firewall",
            "/etc/skep/firewall is 755 alice, not 755 root",
        ),
    ],
)
def test_drift_is_named_and_is_of_its_step_only(output: str, step: str, drift: str) -> None:
    """A person reads each difference from the marker; no other step is stale for it."""
    applied = parse(output)

    assert applied[step].drift == (drift,)
    assert [name for name, step in applied.items() if step.drift] == [step]


@pytest.mark.parametrize("end", ["= digests", "= modes", "= units", "= tests"])
def test_cut_off_output_is_never_mistaken_for_a_host_in_order(end: str) -> None:
    """A part that is missing leaves its entries unknown."""
    applied = parse(found()[: found().index(end)])

    assert applied["firewall"].drift


@pytest.mark.parametrize("output", ["", "= markers\n= digests\n= modes\n= units\n= tests\n= end\n"])
def test_a_fresh_host_has_no_step(output: str) -> None:
    """No directory of markers, or an empty one."""
    assert parse(output) == {}


def test_an_empty_marker_has_no_key() -> None:
    """After a power loss a marker may be a file without content; grep prints nothing of it."""
    assert "chrony" not in parse("= markers\n= end\n")
