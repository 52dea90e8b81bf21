"""What a run prints."""

import time
import sys
from typing import Any
from doit.reporter import ConsoleReporter


class Reporter(ConsoleReporter):
    desc = "one line per finished task"

    def initialize(self, tasks: Any, selected_tasks: Any) -> None:
        self._t = {}
        self.count = 0

    def execute_task(self, task: Any) -> None:
        self._t[task.name] = time.time()

    def skip_uptodate(self, task: Any) -> None:
        self.count += 1

    def add_success(self, task: Any) -> None:
        if task.actions:
            c = task.meta["check"]
            self.write(f"{time.time() - self._t[task.name]:6.1f} s  {task.name}  ({'; '.join(c._run.reasons.get(task.name, []))[:100]})\n")
            self.outstream.flush()

    def add_failure(self, task, fail):
        self.write(f"FAILED {task.name}\n{fail.get_msg()}\n")
        self.failures.append(dict(task=task, exception=fail))

    def complete_run(self):
        self.write(f"{self.count} up to date\n")
