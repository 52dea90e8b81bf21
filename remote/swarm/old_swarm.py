"""The swarm that a fenced host was in: its engine has that one's state still, and leaves it before it runs anything.

A manager that comes back has the whole swarm on its disk. Alone it has no leader, and started no container within 25 s
(measured, Engine 26.1); as soon as there is one, its agent starts the tasks that its database has (swarmkit,
`agent/worker.go`: `Init`), and a majority of such managers elects one. `docker swarm leave` needs an engine that runs.
So the engine is stopped, and its state goes, which holds no data of services.
"""

from docker import DockerClient

from model.labels import NODE_ID_LABEL, label_filter
from model.log import Log
from remote.engine.client import engine_errors
from remote.ssh.connection import Connection

LEAVE_TIMEOUT = 200
"""Seconds that an engine may take to end its containers, and to start again."""
_LEFT = "left the old swarm"
_ROOT = r"""
root=$(sed -n 's/.*"data-root" *: *"\([^"]*\)".*/\1/p' /etc/docker/daemon.json 2>/dev/null | head -n 1)
root=${root:-/var/lib/docker}
certificate() {
    sed '/END CERTIFICATE/q' "$root/swarm/certificates/swarm-node.crt" 2>/dev/null | sed '/-----/d' |
        base64 -d 2>/dev/null
}
"""
# Its own certificate says which node, and of what kind, an engine is, whether the engine runs or not.
_LEAVE = f"""{_ROOT}
rm -rf "$root/swarm.old"
if certificate | grep -qaF -- "$NODE"; then
    systemctl stop docker.socket 2>/dev/null || :
    systemctl stop docker.service
    # Whole or not at all: with a part of it, the engine would not start.
    mv "$root/swarm" "$root/swarm.old"
    rm -rf "$root/swarm.old"
    echo "{_LEFT}"
fi
if [ -d "$root" ] && ! systemctl is-active --quiet docker.service; then
    # Whoever switches such a host on may have kept its engine from starting.
    systemctl unmask --runtime docker.service docker.socket 2>/dev/null || :
    systemctl start docker.service
fi
"""
_IS_MANAGER = f"""{_ROOT}
if [ -e "$root/swarm/raft" ] && certificate | grep -qaF swarm-manager; then echo manager; fi
"""


def is_manager_on_disk(connection: Connection) -> bool:
    """Return whether a host's engine has the state of a swarm's manager, whether the engine answers or not.

    Raises:
        HostError: The host does not answer.

    """
    output = connection.script(_IS_MANAGER, timeout=20, label="looking for the swarm's state")
    return output.strip() == "manager"


def leave_script(node: str) -> str:
    """Return the script by which a host's engine leaves the swarm, if it is this node of it still. Pure."""
    if not node.isalnum():
        raise ValueError(f"{node!r} is no node's id")
    return f"NODE={node}\n{_LEAVE}"


def leave_unheard(name: str, connection: Connection, node: str, log: Log) -> None:
    """Have a host's engine leave the swarm in which it is a node, without a word to that swarm.

    Args:
        name: The host's short name.
        connection: To the host.
        node: The node's id. An engine that is another node by now stays as it is.
        log: Takes a line for the log.

    Raises:
        HostError: The host does not answer, or its engine does not stop or start.

    """
    said = connection.script(
        leave_script(node), timeout=LEAVE_TIMEOUT, label="leaving the swarm that it was in before"
    )
    if _LEFT in said:
        log(f"{name} left the swarm that it was in before as node {node}")


def remove_containers(name: str, client: DockerClient, node: str, log: Log) -> None:
    """Remove the containers that the swarm had started for a node: nothing else would, since no swarm has them.

    Raises:
        HostError: The engine does not answer.

    """
    with engine_errors(name, "removing the containers of its old swarm"):
        left = client.api.containers(all=True, filters=label_filter({NODE_ID_LABEL: node}))
        for container in left:
            client.api.remove_container(container["Id"], force=True)
    if left:
        log(f"{name}: removed {len(left)} containers of its old swarm")
