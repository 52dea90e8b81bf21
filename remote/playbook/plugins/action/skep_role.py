"""The action plug-in of `remote.playbook.program`: runs the script of a role that comes with skep in the container.

It needs no Python there, since one of these roles installs it. The script and its files go to a shell's standard
input: private keys among them are on no command line.
"""

import shlex
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

import __main__ as program

sys.path.append(str(Path(__file__).resolve().parents[4]))

from model.images import roles
from model.images.ansible import SCRIPT
from model.secrets.secret import Secret
from model.stage import scalar_text

_END = "SKEP-END-OF-FILE"


class ActionModule(ActionBase):
    """Ansible's interface of an action plug-in."""

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """Run the role."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        role = self._task.args["role"]
        variables = {
            name: value for name, value in self._task.args["variables"].items() if value not in ("", None)
        }
        key, certificate = program.REQUEST["ca"] or ("", "")
        try:
            files = roles.made_files(role, variables, Secret(key), certificate)
        except ValueError as error:
            raise AnsibleActionFail(f"role {role}: {error}") from error
        files = {f"files/{name}": text for name, text in files.items()}
        files[SCRIPT] = (roles.BUILT_IN / role / SCRIPT).read_text(encoding="utf-8")
        done = self._low_level_execute_command("/bin/sh -s", in_data=_script(files, variables).encode())
        result |= {"changed": True, "rc": done["rc"], "stdout": done["stdout"], "stderr": done["stderr"]}
        if done["rc"]:
            result |= {"failed": True, "msg": f"role {role}: {SCRIPT}: exit status {done['rc']}"}
        return result


def _script(files: dict[str, str], variables: dict[str, Any]) -> str:
    """Return a script that puts files into a directory of its own, and runs the role there."""
    lines = [
        "set -eu",
        "umask 077",
        "directory=$(mktemp -d)",
        "trap 'rm -rf \"$directory\"' EXIT",
        'cd "$directory"',
    ]
    lines.append("mkdir files")
    for name, text in files.items():
        lines += [f"cat >{shlex.quote(name)} <<'{_END}'", text.removesuffix("\n"), _END]
    lines += [f"{name}={shlex.quote(scalar_text(value))}; export {name}" for name, value in variables.items()]
    lines.append(f"umask 022; sh -e ./{SCRIPT} </dev/null")
    return "\n".join(lines) + "\n"
