"""Which tests stay together where processes share them (`pytest -n 3 --dist loadscope`), and which begin first.

And what is the same for all tests: a fixture that fails says so once, a failure is told when it comes, and a test that
its own limit does not end ends its process.

The tests of a folder of tests/integration share a site; its conftest.py says in which order, where that matters.
"""

import faulthandler
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

if TYPE_CHECKING:
    import subprocess

PLAYED = ("aws", "azure", "gcp")
"""Clouds that are played by a process's own servers, so that their tests need nothing that others have."""
ORDER = (
    "broken_site",
    "example_site",
    "one_host_site",
    "contract",
    "openstack",
    "tests/integration/test_documents.py",
    "images",
    "tests/integration/test_cloud_hosts.py",
    "tests/integration/test_replaced_prepared.py",
    "tests/integration/life/test_rolling.py",
    "tests/integration/life/test_history.py",
    "tests/integration/test_prepared_hosts.py",
    "tests/integration/test_fewer_hosts.py",
    "aws",
    "azure",
    "gcp",
)
"""What begins first, the longest before all: what is short at the end lets all processes end at the same time.

OpenStack's services may have to be installed first, which is done while the first are at work.
"""
_SHARED_SITES = ("broken_site", "example_site", "one_host_site")
"""The folders whose tests share a site."""
_ENGINES_OWN = ("test_built_layers.py", "test_image_histories.py")
"""Files whose tests have this checkout's images on the mother's own engine, and remove them all."""
_SECONDS: defaultdict[str, float] = defaultdict(float)
_LONG, _MINUTES = 10, 120
"""Seconds from which on a group is listed, and seconds of all tests from which on there is a list."""
_LINES = 12
"""Lines of a failure that are told when it comes."""
_WAY_OUT = 300.0
"""Seconds beyond a test's limit, for what it made to be removed, after which its process ends."""
_ERRORS: pytest.StashKey[int] = pytest.StashKey()
_SAID: pytest.StashKey[dict[int, tuple[BaseException, str]]] = pytest.StashKey()
"""The errors of fixtures, by their ids, each with the test that told it."""
_NOT_RUN = "not run, as what it shares could not be made"
_PREPARING: pytest.StashKey["subprocess.Popen[str]"] = pytest.StashKey()


def group_of(nodeid: str) -> str:
    """Return the name of a test's group: OpenStack, a played cloud, a shared site, the engine's own images, a file."""
    path = PurePosixPath(nodeid.partition("::")[0])
    if "openstack" in nodeid:
        return "openstack"
    if path.parent.name == "contract":
        return next((cloud for cloud in PLAYED if cloud in nodeid), "contract")
    if path.parent.name in _SHARED_SITES:
        return path.parent.name
    if path.name in _ENGINES_OWN:
        return "images"
    return str(path)


class TogetherScheduling(LoadScopeScheduling):
    """Keeps groups together, and begins with the longest."""

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of a test's group."""
        return group_of(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Give a process the next group."""
        first = min(self.workqueue, key=lambda group: ORDER.index(group) if group in ORDER else len(ORDER))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        """Give a process the next group not before it is at the last test of its own: others may be idle by then.

        It begins its last test when it knows what comes after that.
        """
        if not self.workqueue or self._pending_of(self.assigned_work[node]) <= 1:
            super()._reschedule(node)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Path]:
    """Give OpenStack's services, which takes half a minute, and minutes the first time on a machine."""
    from tests.openstack import cloud

    with cloud.started() as clouds:
        yield clouds


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Have a fixture of several tests that can't be made say so once: the others don't run, and name that test.

    Such an error is kept by pytest, and raised for each of them.
    """
    said = item.config.stash.setdefault(_SAID, {})
    try:
        yield
    except (Exception, pytest.fail.Exception) as error:
        _, first = said.setdefault(id(error), (error, item.nodeid))
        if first != item.nodeid:
            pytest.skip(f"{_NOT_RUN}: see the error of {first}")
        raise


def pytest_configure(config: pytest.Config) -> None:
    """Keep the real error output, which tests don't have, for the last words of a process."""
    config.stash[_ERRORS] = os.dup(2)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Tell failures when they come, where several processes run the tests."""
    plugins = session.config.pluginmanager
    terminal = plugins.get_plugin("terminalreporter")
    if terminal is not None and session.config.getoption("dist", "no") != "no":
        # pytest's own of `--last-failed`.
        plugins.register(Failures(terminal, getattr(plugins.get_plugin("lfplugin"), "lastfailed", {})))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End the process of a test that goes on beyond its limit, and say where each thread is.

    The limit raises an error in the test (pytest-timeout); what waits for something else on the way out, and for ever,
    would keep a whole run from its end, and from saying what failed.
    """
    marker = item.get_closest_marker("timeout")
    general = item.config.getoption("timeout") or item.config.getini("timeout")
    if limit := float((marker.args[0] if marker and marker.args else general) or 0):
        faulthandler.dump_traceback_later(limit + _WAY_OUT, file=item.config.stash[_ERRORS], exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up how long the tests of each group took."""
    _SECONDS[group_of(report.nodeid)] += report.duration


class Failures:
    """Tells of a failure when it comes: a run may be ended before its summary.

    What was not run because of it counts as failed for `--last-failed`.

    Args:
        terminal: Where to.
        failed: The tests that `--last-failed` is going to run.

    """

    def __init__(self, terminal: pytest.TerminalReporter, failed: dict[str, bool]) -> None:
        self._terminal, self._failed = terminal, failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Print where it was, and its last lines."""
        if report.skipped and _NOT_RUN in str(report.longrepr):
            self._failed[report.nodeid] = True
        if report.failed:
            lines = report.longreprtext.splitlines()[-_LINES:]
            self._terminal.ensure_newline()
            for line in (f"{report.nodeid} failed ({report.when}):", *lines):
                self._terminal.write_line(f"    {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the time went, where it was minutes: CONTRIBUTING.md tells what to do with it."""
    long = [(seconds, group) for group, seconds in _SECONDS.items() if seconds >= _LONG]
    if sum(_SECONDS.values()) > _MINUTES and long:
        terminalreporter.section("seconds by group")
        for seconds, group in sorted(long, reverse=True):
            terminalreporter.write_line(f"{seconds:6.0f} {group}")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Put ours in the place of pytest-xdist's own `loadscope`.

    Not by marks and `loadgroup`, which pytest-xdist 3.8 does not keep under pytest 9.2.
    """
    return TogetherScheduling(config, log) if config.getoption("dist") == "loadscope" else None


def pytest_xdist_node_collection_finished(node: WorkerController, ids: Sequence[str]) -> None:
    """Begin to install OpenStack's services as soon as it is known that they will be needed."""
    stash = node.config.stash
    if _PREPARING not in stash and "openstack" in map(group_of, ids):
        from tests.openstack import cloud

        stash[_PREPARING] = cloud.preparing()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End that where the tests have ended before it."""
    if (process := config.stash.get(_PREPARING, None)) is not None:
        process.terminate()
        process.wait()
