"""The step of the ssh key that a run logs in with: the checkout's own, which it makes, or a person's, which it uses."""

from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import StateError
from model.keys.digest import Inputs
from model.keys.record import FactRecord
from model.log import Log
from remote.mother.files import file_errors, write_whole
from tasks.names import SSH_KEY_TASK
from tasks.observe.drift import Missing
from tasks.run.context import Run
from tasks.step import Step, Work

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class SshKey(Step):
    """The stage's ssh key.

    Args:
        run: The run.

    """

    task = SSH_KEY_TASK
    doc = "the stage's ssh key"

    def __init__(self, run: Run) -> None:
        self._run = run

    def inputs(self) -> Inputs:
        """Return the public key, or `none`."""
        if self._run.connections.files.identity is not None:
            return {"public": self._run.connections.files.public_key}
        public = self._run.connections.files.key.with_suffix(".pub")
        with file_errors(public):
            there = public.exists() and self._run.connections.files.key.exists()
            return {"public": public.read_text().strip() if there else "none"}

    def ensure(self, work: Work) -> FactRecord:
        """Make the key pair unless it is there, or another key is used in its place."""
        files = self._run.connections.files
        if files.identity is not None:
            if files.trouble:
                raise StateError(files.trouble)
            files.write_identity()
            who = f", of operator {files.identity.operator}" if files.identity.operator else ""
            work.log(f"using the key of {files.identity.source}{who}")
            work.inputs["public"] = files.public_key
            return FactRecord(id=files.public_key)
        private, public = self._run.connections.files.key, self._run.connections.files.key.with_suffix(".pub")
        _ = self._run.state.secrets
        if private.exists() and public.exists():
            work.log(f"found {private}")
        else:
            self._make(private, public, work.log)
        work.inputs["public"] = public.read_text().strip()
        return FactRecord(id=public.read_text().strip())

    def recall(self, work: Work) -> FactRecord | None:
        """Return the key that there is; none is made."""
        return self.ensure(work) if self.inputs()["public"] != "none" else None

    def _make(self, private: Path, public: Path, log: Log) -> None:
        """Write the key pair, or only its public half where the private one is there."""
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        if private.exists():
            # Never replaced: it may be the only one that hosts let in.
            key = _load_key(private)
            log(f"found {private}, making its public half again")
        else:
            key = Ed25519PrivateKey.generate()
            text = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
            write_whole(private, text, mode=0o600)
            log(f"made {private}")
        line = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
        comment = f" skep@{self._run.stage.site_name}.{self._run.stage.name}\n"
        write_whole(public, line + comment.encode())

    def real(self, key: str) -> str | None:
        """Return that there is no key, if so."""
        del key
        return Missing("there is none") if self.inputs()["public"] == "none" else None


def _load_key(path: Path) -> "Ed25519PrivateKey":
    """Return the stage's private key.

    Raises:
        StateError: The file is no ed25519 key without a passphrase.

    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key

    try:
        key = load_ssh_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise StateError(f"{path}: is not a usable ssh key: restore a good copy") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise StateError(f"{path}: is not an ed25519 key: restore the key that skep made")
    return key
