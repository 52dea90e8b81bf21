"""Which ssh key a checkout logs in with: an operator's own, by the ssh agent or a file of ~/.ssh, or the checkout's.

The agent is asked by its own protocol, and no program is started for it:
https://datatracker.ietf.org/doc/html/draft-ietf-sshm-ssh-agent (messages 11 and 12). That a file with the public key
alone stands for a key of the agent is in ssh_config(5).
"""

import base64
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model.errors import ConfigError
from model.keys.authorized_key import parse_key
from model.keys.public_key import public_half, strict_key
from model.user_paths import expanded

IDENTITY = "SKEP_IDENTITY"
"""The environment variable that names a key's file."""
_AGENT_TIMEOUT = 2.0
_ASK, _ANSWER = 11, 12
_LONGEST_ANSWER = 2**20
_MOST_FILES = 200
"""Files of ~/.ssh that are looked at."""
_LARGEST = 2**16
_DEFAULT_NAMES = ("id_ed25519", "id_ed25519_sk", "id_ecdsa", "id_ecdsa_sk", "id_rsa")

Operators = Mapping[str, Sequence[str]]
"""Operator to public keys, as `[operators]` has them."""


@dataclass(frozen=True)
class Identity:
    """A key to log in with that is not the checkout's own.

    Args:
        public: The public key, as `ssh-ed25519 AAAA…`.
        path: Its file, for ssh; None where only the agent has it.
        operator: The operator whose it is; empty where `[operators]` does not have it.
        needs_agent: Whether ssh can't use the file, which has a passphrase that the agent was not told.
        source: Where it was found, for people.

    """

    public: str
    path: Path | None
    operator: str = ""
    needs_agent: bool = False
    source: str = ""


def find_identity(
    operators: Operators, environment: Mapping[str, str], home: Path | None, directory: Path
) -> Identity | None:
    """Return the key that the environment names, or else the first that an operator has here; None if there is none.

    Keys that can be used come before those whose passphrase nobody has typed.

    Args:
        operators: The site's.
        environment: Has `SKEP_IDENTITY` and the agent's socket.
        home: The directory that has `.ssh`; None if that is not known.
        directory: Where doit was started, which is not where it works.

    Raises:
        ConfigError: `SKEP_IDENTITY` names a file that is no key.

    """
    named = environment.get(IDENTITY, "")
    if not (operators or named):
        return None
    owners = {strict_key(key): name for name, keys in operators.items() for key in keys}
    held = agent_keys(environment.get("SSH_AUTH_SOCK", ""))
    if named:
        found = _named(expanded(directory, named), held)
        return replace(found, operator=owners.get(found.public, ""))
    files = {one.public: one for one in _files(home, held)} if home is not None else {}
    order = {public: i for i, public in enumerate(owners)}
    agents = [Identity(public, None, source="the ssh agent") for public in held if public not in files]
    there = [one for one in (*files.values(), *agents) if one.public in owners]
    best = min(there, key=lambda one: (one.needs_agent, order[one.public]), default=None)
    return best and replace(best, operator=owners[best.public])


def _named(path: Path, held: Sequence[str]) -> Identity:
    """Return the key of a file that a person named.

    Raises:
        ConfigError: It is none.

    """
    try:
        data = path.read_bytes()[:_LARGEST]
    except OSError as error:
        raise ConfigError([f"{IDENTITY}: {path}: {error.strerror}: name a file with an ssh key"]) from error
    found = _of_file(path, data, held)
    if found is None:
        way_out = f"name another file, or make {path}.pub (ssh-keygen -y -f {path} >{path}.pub)"
        raise ConfigError([f"{IDENTITY}: {path}: is no ssh key whose public half is known: {way_out}"])
    if found.path is None and found.public not in held:
        problem = f"is a public key that the ssh agent does not have, and {path.with_suffix('')} is not there"
        raise ConfigError([f"{IDENTITY}: {path}: {problem}: ssh-add it, or name its private key"])
    return found


def _of_file(path: Path, data: bytes, held: Sequence[str]) -> Identity | None:
    """Return the key of a private key's file, or of a public one's; None if it is none."""
    source = str(path)
    half = public_half(data)
    if half is not None:
        needs_agent = half.has_passphrase and half.public not in held
        return Identity(half.public, path, needs_agent=needs_agent, source=source)
    public = _public(data)
    if public:
        private = path.with_suffix("")
        if path.suffix == ".pub" and private.is_file():
            return _of_pair(private, public, held)
        return Identity(public, None, source=source)
    public = _public(_content(path.with_name(f"{path.name}.pub")))
    return _of_pair(path, public, held) if public else None


def _of_pair(private: Path, public: str, held: Sequence[str]) -> Identity:
    """Return the key of a private key's file with its public half beside it."""
    data = _content(private)
    half = public_half(data)
    # In PEM, which is an old form, the header says so.
    locked = half.has_passphrase if half is not None else b"ENCRYPTED" in data
    return Identity(public, private, needs_agent=locked and public not in held, source=str(private))


def _files(home: Path, held: Sequence[str]) -> Iterator[Identity]:
    """Yield the keys in the files of ~/.ssh: pairs, and private keys by their usual names."""
    directory = home / ".ssh"
    try:
        pairs = sorted(directory.glob("*.pub"))[:_MOST_FILES]
    except OSError:
        return
    names = {directory / name for name in _DEFAULT_NAMES} | {path.with_suffix("") for path in pairs}
    for path in sorted(names):
        if path.is_file() and (data := _content(path)):
            found = _of_file(path, data, held)
            if found is not None and found.path is not None:
                yield found


def _public(data: bytes) -> str:
    """Return the public key of a `.pub` file's content; empty if it is none."""
    try:
        key = parse_key(data.decode().strip())
    except UnicodeDecodeError:
        return ""
    return key.public if key is not None else ""


def _content(path: Path) -> bytes:
    """Return a file's content; empty if it can't be read, as another's."""
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError:
        return b""


# -- the agent ---------------------------------------------------------------------------------------------------------


def agent_keys(path: str) -> list[str]:
    """Return the public keys that an ssh agent holds; none if it does not answer.

    Args:
        path: Its socket; empty for none.

    """
    if not path:
        return []
    try:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(_AGENT_TIMEOUT)
            agent.connect(path)
            agent.sendall((1).to_bytes(4, "big") + bytes([_ASK]))
            answer = _received(agent, int.from_bytes(_received(agent, 4), "big"))
    except (OSError, ValueError):
        return []
    if not answer or answer[0] != _ANSWER:
        return []
    return _listed(answer[5:])


def _received(agent: socket.socket, length: int) -> bytes:
    """Return so many bytes of the agent's answer.

    Raises:
        ValueError: There are not so many, or too many.

    """
    if length > _LONGEST_ANSWER:
        raise ValueError("too long")
    data = b""
    while len(data) < length:
        part = agent.recv(length - len(data))
        if not part:
            raise ValueError("ends early")
        data += part
    return data


def _listed(data: bytes) -> list[str]:
    """Return the keys of an agent's answer: a blob and a comment for each."""
    found, is_blob = [], True
    while data:
        length = int.from_bytes(data[:4], "big")
        part, data = data[4 : 4 + length], data[4 + length :]
        if is_blob:
            kind = part[4 : 4 + int.from_bytes(part[:4], "big")].decode("ascii", errors="replace")
            found.append(f"{kind} {base64.b64encode(part).decode()}")
        is_blob = not is_blob
    return found
