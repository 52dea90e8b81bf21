"""The end of a stage's ssh connections."""

from concurrent.futures import ThreadPoolExecutor

from remote.ssh.connection import Connection
from tasks.run.context import Run


def disconnect(run: Run) -> None:
    """Close the stage's ssh connections, those of hosts that it no longer wants, too."""
    run.connections.close()
    run.connections.write_ssh_files()
    names = {path.stem for path in run.connections.files.sockets.glob("*.ssh")}
    connections = [Connection(name, run.connections.files) for name in sorted(names)]
    with ThreadPoolExecutor(max_workers=max(1, len(connections))) as pool:
        list(pool.map(Connection.close, connections))
