"""A container with the input, the output and the terminal of this process: `docker run -it`, by the engine's API.

So a host need not have the docker command. What goes over the connection is told in
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from functools import partial
from typing import Any

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.utils.socket import STDERR, frames_iter

from model.labels import SHELL_LABEL, label_filter
from remote.engine.terminal import CHUNK, ERRORS, INPUT, OUTPUT, own_terminal, write


def run_attached(
    client: DockerClient, image: str, command: list[str], files: bytes, *, terminal: bool
) -> int:
    """Run a command as root in a container of an image, on the host's network, and return its exit status.

    The container ends with its command, and goes then, with all that was put into it. One whose command never started,
    as this process was killed before, stays until `remove_unstarted`.

    Args:
        client: The engine.
        image: The image.
        command: The program and its arguments.
        files: An archive to unpack in it; empty for none.
        terminal: Whether this process's input is a terminal, which the command gets.

    """
    api = client.api
    container = client.containers.create(
        image,
        entrypoint=command[:1],
        command=command[1:],
        user="0:0",
        network_mode="host",
        healthcheck={"test": ["NONE"]},
        stdin_open=True,
        tty=terminal,
        auto_remove=True,
        labels={SHELL_LABEL: image},
        use_config_proxy=False,
    )
    try:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, _end)
        if files:
            container.put_archive("/", files)
        # Both before it starts: it may end at once, and is gone then.
        ended = api.post(
            f"{api.base_url}/v{api.api_version}/containers/{container.id}/wait",
            params={"condition": "next-exit"},
            stream=True,
        )
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        connection = api.attach_socket(container.id, params=streams)
        container.start()
        with own_terminal(partial(_resize, container)) if terminal else contextlib.nullcontext():
            threading.Thread(target=_send, args=(connection,), daemon=True).start()
            for stream, data in frames_iter(connection, terminal):
                write(ERRORS if stream == STDERR else OUTPUT, data)
        return int(ended.json()["StatusCode"])
    finally:
        # Mostly it is gone, or going.
        with contextlib.suppress(APIError):
            container.remove(force=True, v=True)


def remove_unstarted(client: DockerClient, image: str) -> None:
    """Remove the containers of an image whose command a killed process did not start, with what was put into them."""
    filters = label_filter({SHELL_LABEL: image}) | {"status": ["created", "exited", "dead"]}
    for container in client.api.containers(all=True, filters=filters):
        with contextlib.suppress(NotFound):
            client.api.remove_container(container["Id"], force=True, v=True)


def _end(number: int, _frame: object) -> None:
    """End this process, with the container: nobody would end it where it has a terminal."""
    sys.exit(128 + number)


def _send(connection: Any) -> None:
    """Send this process's input, then its end; the command reads it when it likes."""
    whole = connection._sock  # noqa: SLF001 - the SDK gives the reading half alone
    # It has the SDK's time for an answer.
    whole.settimeout(None)
    try:
        with contextlib.suppress(OSError):
            while data := os.read(INPUT, CHUNK):
                whole.sendall(data)
    finally:
        with contextlib.suppress(OSError):
            whole.shutdown(socket.SHUT_WR)


def _resize(container: Any, columns: int, lines: int) -> None:
    """Give a container's terminal a size."""
    with contextlib.suppress(APIError):
        container.resize(lines, columns)
