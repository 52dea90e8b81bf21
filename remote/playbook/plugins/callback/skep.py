"""The output plug-in of `remote.playbook.program`: lines for the log, and why a task failed as JSON behind a mark."""

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.plugins.callback import CallbackBase

import __main__ as program

DOCUMENTATION = """
name: skep
type: stdout
short_description: lines for skep's log
description: [Lines for skep's log.]
"""
_SHOWN = ("msg", "stdout", "stderr", "module_stdout", "module_stderr", "reason")


class CallbackModule(CallbackBase):
    """What Ansible calls."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "skep"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: Any) -> None:
        """Say what begins."""
        del is_conditional
        _say(f"task {task.get_name()}")

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Say what begins."""
        _say(f"handler {task.get_name()}")

    def v2_runner_on_ok(self, result: Any) -> None:
        """Say how it ended, and what a command printed."""
        found = _result(result)
        _say(f"    {'changed' if found.get('changed') else 'ok'}{_where(result)}")
        if "results" not in found and _worth_saying(result, found):
            _say_texts(found, _SHOWN)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Say that it was left out."""
        _say(f"    skipped{_where(result)}")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Say how one of several ended."""
        found = _result(result)
        _say(
            f"    {'changed' if found.get('changed') else 'ok'}: {self._get_item_label(found)}{_where(result)}"
        )
        if _worth_saying(result, found):
            _say_texts(found, _SHOWN)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Say that one of several failed, and keep why."""
        found = _result(result)
        _say(f"    failed: {self._get_item_label(found)}{_where(result)}")
        self._failed(result, found)

    def v2_runner_retry(self, result: Any) -> None:
        """Say that it is tried again."""
        found = _result(result)
        _say(f"    not yet: {found.get('attempts')} of {found.get('retries')}")

    def v2_runner_on_failed(self, result: Any, ignore_errors: Any = None) -> None:
        """Say why, and keep it."""
        found = _result(result)
        _say(f"    failed{', which is ignored' if ignore_errors else ''}{_where(result)}")
        if "results" not in found and not ignore_errors:
            self._failed(result, found)
        elif "results" not in found:
            _say_texts(found, _SHOWN)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Say why, and keep it."""
        _say(f"    unreachable{_where(result)}")
        self._failed(result, _result(result))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Tell for how many hosts something was done."""
        _tell({"processed": sorted(stats.processed)})

    def _failed(self, result: Any, found: Mapping[str, Any]) -> None:
        """Tell of a failed task."""
        _say_texts(found, _SHOWN)
        task = _task(result)
        texts = [str(found.get(name)) for name in _SHOWN if found.get(name)]
        _tell({"task": task.get_name(), "path": task.get_path() or "", "texts": texts})


def _result(result: Any) -> Mapping[str, Any]:
    """Return what a task gave; where it says `no_log`, that is hardly anything."""
    found: Mapping[str, Any] | None = getattr(result, "result", None)
    return found if found is not None else dict(result._result)  # noqa: SLF001 - its name before 2.19


def _task(result: Any) -> Any:
    """Return the task."""
    return getattr(result, "task", None) or result._task  # noqa: SLF001 - its name before 2.19


def _worth_saying(result: Any, found: Mapping[str, Any]) -> bool:
    """Return whether what a task printed is for the log: it did something, or is there to print."""
    return bool(found.get("changed")) or _task(result).action.rpartition(".")[2] == "debug"


def _where(result: Any) -> str:
    """Return on which other host something was done."""
    host = getattr(result, "host", None) or result._host  # noqa: SLF001 - its name before 2.19
    delegated = (_result(result).get("_ansible_delegated_vars") or {}).get("ansible_delegated_host")
    name = delegated or host.get_name()
    return "" if name == program.ORDER["inventory"]["target"] else f" on {name}"


def _say_texts(found: Mapping[str, Any], names: Iterable[str]) -> None:
    """Say what is in some of a result's parts."""
    for name in names:
        for line in str(found.get(name) or "").splitlines():
            if line.strip():
                _say(f"    {line}")


def _say(text: object) -> None:
    """Say one line or more."""
    for line in str(text).splitlines():
        _write(line.replace("\x1e", " "))


def _tell(what: Mapping[str, Any]) -> None:
    """Tell whoever started this process."""
    _write("\x1e" + json.dumps(what))


def _write(line: str) -> None:
    """Write a line as a whole."""
    os.write(1, f"{line}\n".encode(errors="replace"))
