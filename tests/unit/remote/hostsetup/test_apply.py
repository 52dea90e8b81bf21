"""How a step is applied: the script as text."""

import base64
import subprocess

import pytest

from model.secrets.secret import Secret
from remote.hostsetup.apply import apply_script, step_key, time_limit
from remote.hostsetup.host_step import HostFile, HostStep

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


@pytest.mark.slow
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
