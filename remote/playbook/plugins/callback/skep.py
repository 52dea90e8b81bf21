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
    """Ansible's interface of an output plug-in."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "skep"

    def v2_playbook_on_task_start(self, task: Any, is_conditional: Any) -> None:
        """Log the start of a task."""
        del is_conditional
        _log(f"task {task.get_name()}")

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Log the start of a task."""
        _log(f"handler {task.get_name()}")

    def v2_runner_on_ok(self, result: Any) -> None:
        """Log its end, and the output of a command."""
        found = _result(result)
        _log(f"    {'changed' if found.get('changed') else 'ok'}{_where(result)}")
        if "results" not in found and _is_worth_logging(result, found):
            _log_texts(found, _SHOWN)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Log that it was skipped."""
        _log(f"    skipped{_where(result)}")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Log the end of one item."""
        found = _result(result)
        _log(
            f"    {'changed' if found.get('changed') else 'ok'}: {self._get_item_label(found)}{_where(result)}"
        )
        if _is_worth_logging(result, found):
            _log_texts(found, _SHOWN)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Log that one item failed, and report the reason."""
        found = _result(result)
        _log(f"    failed: {self._get_item_label(found)}{_where(result)}")
        self._failed(result, found)

    def v2_runner_retry(self, result: Any) -> None:
        """Log that it is tried again."""
        found = _result(result)
        _log(f"    not yet: {found.get('attempts')} of {found.get('retries')}")

    def v2_runner_on_failed(self, result: Any, ignore_errors: Any = None) -> None:
        """Log the failure, and report the reason."""
        found = _result(result)
        _log(f"    failed{', which is ignored' if ignore_errors else ''}{_where(result)}")
        if "results" not in found and not ignore_errors:
            self._failed(result, found)
        elif "results" not in found:
            _log_texts(found, _SHOWN)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Log the failure, and report the reason."""
        _log(f"    unreachable{_where(result)}")
        self._failed(result, _result(result))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Report the hosts that a play reached."""
        _report({"processed": sorted(stats.processed)})

    def _failed(self, result: Any, found: Mapping[str, Any]) -> None:
        """Log a failed task's output, and report the reason."""
        _log_texts(found, _SHOWN)
        task = _task(result)
        texts = [str(found.get(name)) for name in _SHOWN if found.get(name)]
        _report({"task": task.get_name(), "path": task.get_path() or "", "texts": texts})


def _result(result: Any) -> Mapping[str, Any]:
    """Return a task's result; with `no_log` it is nearly empty."""
    found: Mapping[str, Any] | None = getattr(result, "result", None)
    return found if found is not None else dict(result._result)  # noqa: SLF001 - its name before 2.19


def _task(result: Any) -> Any:
    """Return the task."""
    return getattr(result, "task", None) or result._task  # noqa: SLF001 - its name before 2.19


def _is_worth_logging(result: Any, found: Mapping[str, Any]) -> bool:
    """Return whether a task's output is for the log: it changed something, or its purpose is to print."""
    return bool(found.get("changed")) or _task(result).action.rpartition(".")[2] == "debug"


def _where(result: Any) -> str:
    """Return ` on HOST` where a task ran on another host than the container."""
    host = getattr(result, "host", None) or result._host  # noqa: SLF001 - its name before 2.19
    delegated = (_result(result).get("_ansible_delegated_vars") or {}).get("ansible_delegated_host")
    name = delegated or host.get_name()
    return "" if name == program.REQUEST["inventory"]["target"] else f" on {name}"


def _log_texts(found: Mapping[str, Any], names: Iterable[str]) -> None:
    """Log the texts of some parts of a result."""
    for name in names:
        for line in str(found.get(name) or "").splitlines():
            if line.strip():
                _log(f"    {line}")


def _log(text: object) -> None:
    """Log one line or more."""
    for line in str(text).splitlines():
        _write(line.replace("\x1e", " "))


def _report(message: Mapping[str, Any]) -> None:
    """Send a message to the process that started this one."""
    _write("\x1e" + json.dumps(message))


def _write(line: str) -> None:
    """Write a line as a whole."""
    os.write(1, f"{line}\n".encode(errors="replace"))
