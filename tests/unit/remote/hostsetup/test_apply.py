"""How a step is applied and found applied: the scripts as text, and what the probe's output means."""

import base64
import subprocess

import pytest

from model.secrets.secret import Secret
from remote.hostsetup.apply import (
    Applied,
    apply_script,
    parse_probe,
    probe_script,
    step_key,
    time_limit,
)
from remote.hostsetup.step import HostFile, HostStep

STEP = HostStep("chrony", {"ntp_servers[0]": '"a"'}, "say hello\n", units=("chrony",))
FILES = [
    HostFile("/etc/skep/a", "it's $HOME `id`\nEND\n", 0o640),
    HostFile("/etc/skep/b", Secret("pass word")),
]


def test_a_key_is_of_inputs_script_and_units() -> None:
    """Each of them is an input under a name of its own."""
    inputs, key = step_key(STEP)

    assert sorted(inputs) == ["ntp_servers[0]", "script", "units[0]"]
    for other in (
        HostStep("chrony", {"ntp_servers[0]": '"b"'}, STEP.script, units=STEP.units),
        HostStep("chrony", STEP.inputs, "say goodbye\n", units=STEP.units),
        HostStep("chrony", STEP.inputs, STEP.script),
    ):
        assert step_key(other)[1] != key


def test_a_key_leaves_the_step_as_it_is() -> None:
    """Steps are shared between threads."""
    step_key(STEP)

    assert STEP.inputs == {"ntp_servers[0]": '"a"'}


def test_the_script_is_posix_shell() -> None:
    """With files, whatever is in them."""
    subprocess.run(["sh", "-n"], input=apply_script(STEP, FILES, "0" * 64).encode(), check=True)


def test_a_script_that_was_cut_off_runs_nothing() -> None:
    """The connection may break while it is sent: no part of it is a program of its own."""
    text = apply_script(STEP, FILES, "0" * 64)
    start = text.index("{\n")

    for end in range(start + 2, len(text) - len("} </dev/null\n"), 97):
        done = subprocess.run(["sh", "-n"], input=text[:end].encode(), capture_output=True, check=False)
        assert done.returncode != 0, text[end - 60 : end]


def test_files_are_sent_so_that_the_shell_sees_nothing_of_them() -> None:
    """Not as text: quotes, `$` and the end mark of a here-document are data."""
    text = apply_script(STEP, FILES, "0" * 64)

    assert "$HOME `id`" not in text
    assert base64.b64encode(b"it's $HOME `id`\nEND\n").decode() in text
    assert "put /etc/skep/a 0640 <<" in text


def test_the_marker_goes_first_and_comes_last() -> None:
    """A step that was cut off anywhere between is not applied."""
    text = apply_script(STEP, FILES, "0" * 64)
    where = [
        text.index(part) for part in ("rm -f /var/lib/skep/steps/chrony", "put /etc/skep/a", "say hello")
    ]
    marked = text.index('mv "$LIBRARY/marker" /var/lib/skep/steps/chrony')

    assert sorted([*where, marked]) == [*where, marked]
    assert text.index("wait_units chrony") < marked


@pytest.mark.parametrize("path", ["relative", "/etc/a b", "/etc/$x", "/etc/a\nb", "/etc/'"])
def test_a_path_that_needs_quoting_is_refused(path: str) -> None:
    """Scripts and markers hold paths as plain words."""
    with pytest.raises(ValueError, match="quoting"):
        apply_script(STEP, [HostFile(path, "")], "0" * 64)


def test_a_name_that_is_no_plain_word_is_refused() -> None:
    """It is a file's name on the host."""
    with pytest.raises(ValueError, match="name"):
        apply_script(HostStep("../x", {}), [], "0" * 64)


def test_a_step_is_given_time_to_wait_for_another() -> None:
    """The limit of the connection holds the wait for the host's lock."""
    assert time_limit(STEP) > STEP.timeout


def test_the_probe_is_posix_shell() -> None:
    """It is run as it is on every host."""
    subprocess.run(["sh", "-n"], input=probe_script().encode(), check=True)


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
    """Return what a probe prints."""
    modes = modes or "755 root /\n644 root /etc/chrony.conf\n755 root /etc/skep/firewall\n"
    return f"{MARKERS}= digests\n{digests}= modes\n{modes}= units\n{units}= tests\n{tests}= end\n"


def test_a_host_as_recorded_has_no_drift() -> None:
    """Each step has the key of its marker."""
    assert parse_probe(found()) == {"chrony": Applied("k1"), "firewall": Applied("k2")}


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
    """A person reads what is not as recorded; no other step is stale for it."""
    applied = parse_probe(output)

    assert applied[step].drift == (drift,)
    assert [name for name, one in applied.items() if one.drift] == [step]


@pytest.mark.parametrize("end", ["= digests", "= modes", "= units", "= tests"])
def test_cut_off_output_is_never_mistaken_for_a_host_in_order(end: str) -> None:
    """What was not seen is not known."""
    applied = parse_probe(found()[: found().index(end)])

    assert applied["firewall"].drift


@pytest.mark.parametrize("output", ["", "= markers\n= digests\n= modes\n= units\n= tests\n= end\n"])
def test_a_fresh_host_has_no_step(output: str) -> None:
    """No directory of markers, or an empty one."""
    assert parse_probe(output) == {}


def test_an_empty_marker_has_no_key() -> None:
    """After a power loss a marker may be a file without content; grep prints nothing of it."""
    assert "chrony" not in parse_probe("= markers\n= end\n")
