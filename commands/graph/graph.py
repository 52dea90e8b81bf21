"""`doit graph`: draw the resources of a stage, and what is made from what."""

from collections.abc import Callable, Sequence

from doit.cmd_base import DoitCmdBase
from doit.exceptions import InvalidCommand

from commands.graph.dot import dot
from commands.graph.mermaid import mermaid
from commands.graph.svg import svg
from commands.shared.console import is_live
from commands.shared.current_run import site_run
from commands.shared.task_selection import all_before, resolve, with_flags
from tasks.explain.recorded_status import statuses
from tasks.explain.resource_graph import ResourceGraph, resource_graph

_WAYS: dict[str, Callable[[ResourceGraph, str], str]] = {"--svg": svg, "--dot": dot, "--mermaid": mermaid}


class GraphCommand(DoitCmdBase):
    """Draw a stage's resources."""

    name = "graph"
    doc_purpose = "draw the resources with their status, and what is made from what (SVG, DOT, Mermaid)"
    doc_usage = "[TASK ...] [--svg | --dot | --mermaid] [--all]"
    doc_description = """\
Prints the picture: doit graph >site.svg. With tasks, phases or short names (powerdns): those and all that they are \
made from or wait for. A host's set-up is one box; --all draws each of its steps.

Statuses are those of `doit list`: no connection is opened, and the live state is not compared."""

    cmd_options = (
        {
            "name": "as_svg",
            "short": "",
            "long": "svg",
            "type": bool,
            "default": False,
            "help": "print an SVG picture (the default)",
        },
        {
            "name": "as_dot",
            "short": "",
            "long": "dot",
            "type": bool,
            "default": False,
            "help": "print Graphviz' language",
        },
        {
            "name": "as_mermaid",
            "short": "",
            "long": "mermaid",
            "type": bool,
            "default": False,
            "help": "print Mermaid's language, which GitHub and GitLab draw in Markdown",
        },
        {
            "name": "every",
            "short": "",
            "long": "all",
            "type": bool,
            "default": False,
            "help": "draw each step of the hosts' set-up",
        },
    )

    def _execute(
        self,
        as_svg: bool = False,  # noqa: FBT001, FBT002 - doit hands its options over by these names
        as_dot: bool = False,  # noqa: FBT001, FBT002
        as_mermaid: bool = False,  # noqa: FBT001, FBT002
        every: bool = False,  # noqa: FBT001, FBT002
        pos_args: Sequence[str] = (),
    ) -> int:
        """Print the picture."""
        pos_args, flags = with_flags(pos_args, *_WAYS, "--all")
        asked = {"--svg": as_svg, "--dot": as_dot, "--mermaid": as_mermaid}
        ways = [way for way, is_asked in asked.items() if is_asked or way in flags]
        if len(ways) > 1:
            raise InvalidCommand(f"type one of {', '.join(ways)}")
        if not ways and is_live(self.outstream):
            raise InvalidCommand(
                "a picture is nothing for a terminal: doit graph >site.svg, or --mermaid, --dot"
            )
        run = site_run(self.loader, asks=False)
        tasks = {task.name: task for task in self.task_list}
        known = statuses(run, tasks, self.dep_manager)
        before = {
            name: {*status.made_from, *(dep for dep in tasks[name].task_dep if dep in known)}
            for name, status in known.items()
        }
        if pos_args:
            far = all_before(before)
            phases = [name for name, task in tasks.items() if task.has_subtask]
            selected = {name for word in pos_args for name in resolve(word, far, phases)}
            selected |= {dep for name in selected for dep in far[name]}
            known = {name: status for name, status in known.items() if name in selected}
        graph = resource_graph(known, before, every_step=every or "--all" in flags)
        title = f"{run.stage.site_name}, stage {run.stage.name}"
        self.outstream.write(run.secrets.redact(_WAYS[ways[0] if ways else "--svg"](graph, title)))
        return 0
