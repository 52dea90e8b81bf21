"""The ssh keys that a stage's hosts let in: of operators, of checkouts, and those that people added by hand.

Hosts have them in `authorized_keys`. The file in state/ is only for `doit list`, which observes nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from model.errors import SkepError, StateError
from model.keys.authorized_key import AuthorizedKey, parse_keys
from model.keys.digest import Inputs
from model.keys.public_key import strict_key
from model.log import Log
from model.stage import Host, Stage
from remote.mother.files import write_whole
from remote.ssh.authorized_keys import LIST, end_sessions_script, let_in_script, take_out_script
from remote.ssh.login import refusal_of
from remote.ssh.ssh_files import now
from tasks.names import SSH_KEY_TASK, infra_task
from tasks.run.context import Run
from tasks.run.state import State

FILE = "authorized_keys.json"
SHOWN = 8
"""The keys that a list shows where nobody asked for all."""
MANY = "each clone without state/ adds one; for CI see docs/ci.md"
"""Said where there are more keys than people and machines may well have."""
INPUT = "operators."
"""Before the names of inputs that are operators' keys."""
KeysOfHosts = Mapping[str, Sequence[AuthorizedKey]]
"""Host to the keys that it lets in."""


@dataclass(frozen=True)
class LetInKey:
    """One key of the stage.

    Args:
        key: The key, with the earliest time at which a host let it in.
        hosts: The hosts that let it in.
        is_everywhere: Whether these are all that are known.
        is_own: Whether it is this checkout's.

    """

    key: AuthorizedKey
    hosts: tuple[str, ...]
    is_everywhere: bool
    is_own: bool

    @property
    def words(self) -> str:
        """What is to be known of it beside its name, for people."""
        since = (
            f"since {self.key.since[:16].replace('T', ' ')} UTC" if self.key.since else "nobody noted when"
        )
        where = "" if self.is_everywhere else f", on {', '.join(self.hosts)} only"
        kind = "operator, " if self.key.is_operators else ""
        return f"{kind}{since}{where}{' (this checkout)' if self.is_own else ''}"


# -- who is let in -----------------------------------------------------------------------------------------------------


def observed(run: Run) -> dict[str, tuple[AuthorizedKey, ...]]:
    """Return who is let in, by the live state, on the hosts that answered."""
    found = {host.short: run.live_state.host(host) for host in run.stage.hosts}
    return {short: state.authorized_keys for short, state in found.items() if not state.error}


def recorded(run: Run) -> dict[str, tuple[AuthorizedKey, ...]]:
    """Return who was let in when a run last looked."""
    try:
        found = json.loads((run.state.root / FILE).read_text())
        hosts = [host.short for host in run.stage.hosts if host.short in found]
        return {short: parse_keys(found[short]) for short in hosts}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def note(run: Run, found: KeysOfHosts) -> None:
    """Keep who is let in on some hosts; what is known of the others stays."""
    with run.coordination.lock("let-in keys"):
        _write(run.state, {**recorded(run), **found})


def _write(state: State, found: KeysOfHosts) -> None:
    """Write who is let in on all hosts."""
    table = {short: [key.line for key in keys] for short, keys in found.items()}
    write_whole(state.root / FILE, json.dumps(table, indent=1).encode() + b"\n")


def note_observed(run: Run) -> None:
    """Keep who is let in by the live state, but for the hosts that this run ensured since: those are noted already."""
    ensured = {short for host in run.stage.hosts if run.progress.reasons.get(infra_task(short := host.short))}
    note(run, {short: keys for short, keys in observed(run).items() if short not in ensured})


def keys_of(run: Run, found: KeysOfHosts) -> list[LetInKey]:
    """Return the keys of the stage: this checkout's first, then by the time since when they are let in."""
    own = run.connections.files.own_key
    hosts: dict[str, list[str]] = {}
    keys: dict[str, AuthorizedKey] = {}
    for short, several in found.items():
        for key in several:
            hosts.setdefault(key.public, []).append(short)
            before = keys.get(key.public, key)
            since = min(filter(None, (before.since, key.since)), default="")
            keys[key.public] = replace(key, since=since)
    every = [
        LetInKey(
            key,
            tuple(hosts[public]),
            is_everywhere=len(hosts[public]) == len(found),
            is_own=own is not None and own.public == public,
        )
        for public, key in keys.items()
    ]
    return sorted(every, key=lambda each: (not each.is_own, each.key.since, each.key.name))


def lines(keys: Sequence[LetInKey], *, every: bool = False) -> list[str]:
    """Return a line for each key, below one that says what they are; none where nothing is known."""
    if not keys:
        return []
    shown = keys if every or len(keys) <= SHOWN else keys[:SHOWN]
    width = max(len(each.key.name) for each in shown)
    left = len(keys) - len(shown)
    return [
        "ssh keys that the hosts let in, when a run last looked:",
        *(f"    {each.key.name:<{width}}  {each.words}" for each in shown),
        *([f"    and {left} more (doit list --all)"] if left else []),
        *([f"    {MANY}"] if len(keys) > SHOWN else []),
    ]


# -- letting in, and taking out ----------------------------------------------------------------------------------------


def settle(run: Run, host: Host, log: Log) -> None:
    """Let the operators and the other checkouts in on a host that may be new, shut out who is no operator any more.

    Checkouts' keys are those of the hosts which answered, so that one that was taken out does not come back. Who is in
    afterwards is noted.

    Raises:
        HostError: It does not answer.

    """
    files = run.connections.files
    operators = {key.public: key for key in operators_of(run.stage)}
    out = {key.public for key in (files.own_key, files.former_key) if key is not None}
    theirs = {key.public: key for keys in observed(run).values() for key in keys if key.is_checkouts}
    others = [key for public, key in theirs.items() if public not in operators.keys() | out]
    wanted = [*operators.values(), *others]
    found = _edited(run, host, let_in_script([replace(key, since=key.since or now()) for key in wanted]))
    former, gone = _former_key(run, found), _former_operators(run, found)
    record = run.state.host_record(host) if former else None
    if record is not None and (why := refusal_of(record, files.key, files.known_hosts)):
        # Two keys are tried, and this run may have come in by the former one: without it nobody would.
        log(
            f"{host.short}: keeps this checkout's own key, as that of operator {_own_name(run)} does not log in: {why}"
        )
        former = []
    if former or gone:
        found = _edited(run, host, take_out_script([*former, *gone]) + end_sessions_script(gone))
    stay = "Keys of checkouts stay: doit keys shows them, doit prune key=NAME takes one out"
    for key in gone:
        log(f"{host.short}: no longer lets in operator {key.who}, and ended connections by that key. {stay}")
    if former:
        log(f"{host.short}: no longer lets in this checkout's own key, but that of operator {_own_name(run)}")
    log(f"{host.short}: lets in {', '.join(key.name for key in found) or 'nobody'}")
    note(run, {host.short: found})


def _edited(run: Run, host: Host, script: str) -> tuple[AuthorizedKey, ...]:
    """Run a script that changes who is let in on a host, and return who then is."""
    output = run.connections.to(host).script(script + LIST, label="letting the stage's ssh keys in")
    return parse_keys(output.splitlines())


# -- operators ---------------------------------------------------------------------------------------------------------


def operators_of(stage: Stage) -> list[AuthorizedKey]:
    """Return the keys of the site's operators. Pure."""
    return [
        AuthorizedKey.of_operator(name, strict_key(key))
        for name, keys in stage.site.operators.items()
        for key in keys
    ]


def inputs(stage: Stage) -> Inputs:
    """Return the operators' keys as inputs of each host. Pure."""
    return {f"{INPUT}{name}": ", ".join(map(strict_key, keys)) for name, keys in stage.site.operators.items()}


def drift(run: Run, host: Host) -> str:
    """Return who of the operators is not let in on a host, or is and should not be; empty if all is well."""
    state = run.live_state.host(host)
    if state.error:
        return ""
    there = {key.public: key for key in state.authorized_keys}
    lacking = [key.who for key in operators_of(run.stage) if not _is_entry_of(there.get(key.public), key)]
    if lacking:
        return f"{host.short} does not let in {', '.join(dict.fromkeys(lacking))}, of [operators]"
    if gone := _former_operators(run, state.authorized_keys):
        names = ", ".join(dict.fromkeys(key.who for key in gone))
        return f"{host.short} still lets in {names}, not of [operators] any more"
    if _former_key(run, state.authorized_keys):
        return f"{host.short} lets in this checkout's own key beside that of operator {_own_name(run)}"
    return ""


def _is_entry_of(entry: AuthorizedKey | None, key: AuthorizedKey) -> bool:
    """Return whether an entry is an operator's own, by the name of today. Pure."""
    return entry is not None and entry.is_operators and entry.who == key.who


def _former_operators(run: Run, found: Iterable[AuthorizedKey]) -> list[AuthorizedKey]:
    """Return the entries of operators that site.toml no longer has; never the key of this run itself."""
    own = run.connections.files.own_key
    kept = {key.public for key in operators_of(run.stage)} | ({own.public} if own is not None else set())
    return [key for key in found if key.is_operators and key.public not in kept]


def _former_key(run: Run, found: Iterable[AuthorizedKey]) -> list[AuthorizedKey]:
    """Return this checkout's own key where an operator's that is let in as well takes its place."""
    files = run.connections.files
    own, former = files.own_key, files.former_key
    publics = {key.public for key in found}
    if own is None or former is None or not {own.public, former.public} <= publics:
        return []
    # Without a way in that is known to work, the other one is kept.
    return [former] if not files.trouble else []


def _own_name(run: Run) -> str:
    """Return the operator whose key this checkout logs in with."""
    own = run.connections.files.own_key
    return own.who if own is not None else ""


def let_operator_in(run: Run, host: Host, log: Log) -> None:
    """Let this checkout's operator in where the checkout's own key still logs in, before it is tried with his.

    Raises:
        HostError: It does not answer any more.

    """
    own, state = run.connections.files.own_key, run.live_state.host(host)
    if own is None or not own.is_operators or state.error:
        return
    if own.public not in {key.public for key in state.authorized_keys}:
        log(f"{host.short}: letting {own.who} in, with whose key this checkout logs in from now on")
        _edited(run, host, let_in_script([replace(own, since=now())]))


# -- letting in and taking out by hand ---------------------------------------------------------------------------------


def let_in(run: Run, key: AuthorizedKey, log: Log) -> list[str]:
    """Let a key in on all hosts; return the problems."""
    script = let_in_script([replace(key, since=now())])
    return _on_each(run, run.stage.hosts, script, f"lets {key.name} in", log)


def refuse_without_own(run: Run) -> None:
    """Raise where it is not known which key is this checkout's own: it could be the one that is taken out.

    Raises:
        StateError: There is no usable public key.

    """
    if run.connections.files.own_key is None:
        raise StateError(
            f"{run.connections.files.key}.pub: is missing or not a public key, so nobody knows which key is this "
            f"checkout's own, and none is taken out: remove what is there, and make it again with doit {SSH_KEY_TASK}"
        )


def take_out(run: Run, keys: Sequence[LetInKey], log: Log) -> list[str]:
    """Take keys out on all hosts; return the problems.

    Raises:
        StateError: Nobody knows which key is this checkout's.
        ValueError: One of them is this checkout's.

    """
    refuse_without_own(run)
    if any(each.is_own for each in keys):
        raise ValueError("a checkout never takes its own key out")
    names = ", ".join(each.key.name for each in keys)
    script = take_out_script([each.key for each in keys])
    return _on_each(run, run.stage.hosts, script, f"no longer lets {names} in", log)


def _on_each(run: Run, hosts: Iterable[Host], script: str, done: str, log: Log) -> list[str]:
    """Run a script on all hosts at a time, note who is in afterwards, and return the problems."""

    def act(host: Host) -> str:
        try:
            output = run.connections.to(host).script(script + LIST, label="changing who is let in")
        except SkepError as error:
            log(str(error))
            return str(error)
        note(run, {host.short: parse_keys(output.splitlines())})
        log(f"{host.short} {done}")
        return ""

    made = [host for host in hosts if run.state.host_record(host) is not None]
    with ThreadPoolExecutor(max_workers=max(1, len(made))) as pool:
        return [problem for problem in pool.map(act, made) if problem]
