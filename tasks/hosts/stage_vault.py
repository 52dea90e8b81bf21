"""The stage's own secrets, and the copy of them that the repository host keeps.

With the copy state/ can be deleted: a fresh clone reads the secrets back.
"""

import contextlib
import hashlib
from collections.abc import Callable, Sequence

from model.alarms.receivers import secret_names
from model.errors import HostError, StateError
from model.keys.digest import Inputs, flatten
from model.keys.record import FactRecord, HostRecord
from model.log import Log
from model.secrets.secret import Secret
from model.secrets.stage_secrets import generate
from model.site import KickstartStage
from model.stage import Host, Stage
from remote.hostsetup.apply import apply_script, step_key, time_limit
from remote.hostsetup.host_step import MARKERS, HostFile, HostStep
from remote.mother.wait import wait_for
from tasks.hosts.registry_host import goes_down
from tasks.names import SSH_KEY_TASK, VAULT, host_task, infra_task, vault_task
from tasks.run.connections import Connections
from tasks.run.context import Run
from tasks.run.vault import Vault
from tasks.services.rendering import secrets_of
from tasks.step import Names, Step, Work

VAULT_FILE = "/var/lib/skep/vault.json"
FOUND_TIMEOUT = 300
"""Seconds for which a host that was there before is waited for, to ask whether it has the vault."""
INSTALLED_TIMEOUT = 30
"""The same for a machine that may have no system yet."""


class StageVault(Step):
    """The stage's own secrets, with a copy on the repository host.

    Args:
        run: The run.

    """

    doc = "the stage's own secrets: site CA, passwords"
    ends_with_container = True

    def __init__(self, run: Run) -> None:
        self._run, self._host = run, run.stage.repository
        self.host = self._host.short
        self.task = vault_task(run.stage)
        self.after = self.containers = (host_task(self.host),)
        names = {
            *run.stage.secrets,
            *run.stage.build_secrets,
            *run.stage.backup_secrets,
            *secret_names(run.stage),
            *secrets_of(run.stage, run.directory, run.stage.services),
        }
        self._wanted = {name: source for name, source in run.stage.site.secrets.items() if name in names}
        self._generated = {name for name, source in self._wanted.items() if source.generate is not None}

    def inputs(self) -> Inputs:
        """Return the host, a digest of the vault, and the secrets that skep generates."""
        return {
            "host": self._run.state.record(host_task(self.host), HostRecord).id,
            "content": self._run.secrets.fingerprint(),
            **flatten("generated", sorted(self._generated)),
        }

    def ensure(self, work: Work) -> FactRecord:
        """Take the vault from here, else from the host, else make it; then keep it in both places."""
        run = self._run
        own = self._settle(work)
        try:
            vault = run.secrets.vault
        except KeyError:
            kept = own or copy_on(run.connections, self._host, work.log)
            if kept is None:
                work.log("no vault here nor on the repository host: making a new one")
            vault = kept or Vault(generate(run.stage.site_name, run.stage.name), {})
        if self._generated - vault.generated.keys() or not vault.key_shown:
            # Another checkout may have made them already; then the repository host keeps them.
            vault = vault.with_those_of(copy_on(run.connections, self._host, work.log))
        run.secrets.keep(vault.with_all(self._wanted))
        work.inputs["content"] = run.secrets.fingerprint()
        put_copy(run.connections, self._host, run.secrets.vault, work.log)
        work.log(f"a copy of the stage's secrets is kept on {self._host.name}, readable by root only")
        return FactRecord(id=run.secrets.fingerprint())

    def recall(self, work: Work) -> FactRecord | None:
        """Read the vault back from the repository host, if that keeps one and has all that is wanted."""
        run = self._run
        try:
            vault = run.secrets.vault
        except KeyError:
            kept = copy_on(run.connections, self._host, work.log)
            if kept is None or self._generated - kept.generated.keys():
                return None
            vault = kept
        run.secrets.keep(vault)
        run.state.keep_home(self.host)
        work.inputs["content"] = run.secrets.fingerprint()
        return FactRecord(id=run.secrets.fingerprint()) if self.real("") is None else None

    def _settle(self, work: Work) -> Vault | None:
        """See that the repository is where the registry is, or is known to move; return its copy if it was read.

        Raises:
            HostError: Another host has the registry, which state/ did not know, or may have it and can't be asked.

        """
        run, stage = self._run, self._run.stage
        if stage.home:
            # As long as the images have not gone along, the registry is where it was.
            run.state.keep_home(stage.home)
            return None
        own = copy_on(run.connections, self._host, work.log)
        if own is None:
            asked = [self._host]
            for host in self._may_have_registry():
                if not self._can_be_asked(host):
                    continue
                asked.append(host)
                if copy_on(run.connections, host, work.log) is not None:
                    run.state.keep_home(host.short)
                    raise HostError(_found_elsewhere(stage, host))
            silent = [host.short for host in self._may_have_registry() if host not in asked]
            # A stage of which nothing was set up has no registry, whoever is not there yet.
            if silent and any(was_set_up(run, host) for host in asked):
                raise HostError(_not_asked(stage, silent))
            if silent:
                work.log(
                    f"{', '.join(silent)} can't be asked for the vault; nothing was set up on any host yet"
                )
        run.state.keep_home(self.host)
        return own

    def _may_have_registry(self) -> list[Host]:
        """Return the other hosts that were there before this run."""
        run = self._run
        there = run.live_state.things if run.provider.owns else {host.short for host in run.stage.hosts}
        return [host for host in run.stage.hosts if host != self._host and host.short in there]

    def _can_be_asked(self, host: Host) -> bool:
        """Return whether a host answers, waiting for it as long as this run is about to see to it."""
        run = self._run
        # A machine that is still to be installed answers nobody, and has nothing.
        may_be_new = isinstance(run.stage.config, KickstartStage)
        with contextlib.suppress(HostError), run.coordination.idle("hosts that may have the vault"):
            wait_for(
                lambda: run.state.host_record(host) is not None or self._is_not_made(host),
                f"{host.short}, which may have the registry with the stage's secrets,",
                INSTALLED_TIMEOUT if may_be_new else FOUND_TIMEOUT,
            )
        return run.state.host_record(host) is not None

    def _is_not_made(self, host: Host) -> bool:
        """Return whether this run does not see to a host: not at all, not before this task, or it has failed to."""
        run, task = self._run, host_task(host.short)
        if run.progress.chosen is not None and task not in run.progress.chosen:
            return True
        resources = {resource.name: resource for resource in run.provider.resources()}
        needed, tasks = [host.short], {SSH_KEY_TASK}
        while needed:
            name = needed.pop()
            tasks.add(infra_task(name))
            needed += resources[name].needs if name in resources else ()
        # The hosts that go down wait for this task.
        return bool(tasks & run.progress.failed) or goes_down(run, host)

    def real(self, key: str) -> str | None:
        """Look for the marker of the copy on the host."""
        del key
        return self._run.live_state.step(
            self._host, VAULT, step_key(_copy_step(self._run.secrets.fingerprint()))[1]
        )

    def shows(self, changed: Names) -> bool:
        """Return False: the marker on the host tells of the content alone."""
        del changed
        return False


def _found_elsewhere(stage: Stage, host: Host) -> str:
    """Return the message for a registry that state/ did not know of."""
    if stage.config.repository is not None:
        return (
            f"{host.short} has the registry, which state/ did not know: run doit again to move it with its images to "
            f"{stage.repository.short}"
        )
    return (
        f"{host.short} is the repository, which state/ did not know: nothing was set up on {stage.repository.short}. "
        f"Run doit again; and for checkouts without state/ write in [stages.{stage.name}]: "
        f'repository = "{host.short}"'
    )


def _not_asked(stage: Stage, silent: Sequence[str]) -> str:
    """Return the message for hosts that may have the registry of a stage that was set up before, and can't be asked."""
    return (
        f"{', '.join(silent)} may have the registry with the stage's secrets, and can't be asked: nothing was set up. "
        "Run doit for all hosts when they answer; or, if another host is the repository, write in "
        f'[stages.{stage.name}]: repository = "…"'
    )


def _copy_step(fingerprint: str, *files: HostFile) -> HostStep:
    """Return the set-up step that puts a copy on a host; its files are no part of its key."""
    return HostStep(VAULT, {"content": fingerprint}, files=lambda: files)


def put_copy(connections: Connections, host: Host, vault: Vault, log: Log, before: str = "") -> None:
    """Have a host keep a copy of the vault.

    Args:
        connections: The connections.
        host: The host.
        vault: The vault.
        log: Is told what the host says.
        before: Lines of its script that must end well before anything is changed.

    Raises:
        HostError: It does not answer, or can't write it.

    """
    step = _copy_step(vault.fingerprint, HostFile(VAULT_FILE, Secret(vault.to_bytes().decode()), 0o600))
    script = apply_script(step, step.files(), step_key(step)[1], before)
    connections.to(host).script(script, timeout=time_limit(step), log=log, label="step vault")


def copy_on(connections: Connections, host: Host, log: Log) -> Vault | None:
    """Return the copy of the vault that a host keeps, as when state/ was deleted; None if it keeps none.

    Raises:
        HostError: The copy can't be read.

    """
    text = _text_on(connections, host)
    if not text:
        return None
    log(f"reading the copy of the vault on {host.name}")
    return _parsed(host, text)


def change_copy(connections: Connections, host: Host, change: Callable[[Vault], Vault]) -> Vault | None:
    """Change the copy of the vault that a host keeps, also where runs elsewhere may be writing it.

    Args:
        connections: The connections.
        host: The host.
        change: Gives what it is to be; the same if nothing is to be written.

    Returns:
        What the host keeps; None if it keeps none.

    Raises:
        HostError: It does not answer, the copy can't be read, or somebody wrote another one meanwhile, which stays.

    """
    text = _text_on(connections, host)
    if not text:
        return None
    there = _parsed(host, text)
    wanted = change(there)
    if wanted != there:
        put_copy(connections, host, wanted, lambda _line: None, _is_still(text))
    return wanted


def _is_still(text: str) -> str:
    """Return the lines of a host's script that fail if its copy is no longer this one."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"""\
printf %s "$(cat {VAULT_FILE})" | sha256sum | grep -q '^{digest} ' || {{
    fail 'a run has written the stage'"'"'s secrets meanwhile: type the same again'
}}"""


def _text_on(connections: Connections, host: Host) -> str:
    """Return the file that a host keeps the copy in, without newlines at its end; empty if there is none."""
    command = f"cat {VAULT_FILE} 2>/dev/null || true"
    return connections.to(host).script(command, label="reading the vault").rstrip("\n")


def _parsed(host: Host, text: str) -> Vault:
    """Return the vault of a host's copy.

    Raises:
        HostError: It is none.

    """
    try:
        return Vault.from_bytes(text.encode())
    except StateError as error:
        raise HostError(
            f"{host.short}: {VAULT_FILE}, the host's copy of the stage's secrets, can't be read; put a good copy "
            "there as root, as from state/ of another checkout or from a backup; if there is none, remove it there: "
            "what this checkout has, or else new secrets, take its place"
        ) from error


def was_set_up(run: Run, host: Host) -> bool:
    """Return whether a run of skep ever set a host up."""
    command = f"ls {MARKERS} 2>/dev/null || true"
    return bool(run.connections.to(host).script(command, label="looking for set-up markers").strip())
