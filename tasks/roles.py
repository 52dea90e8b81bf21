"""The files of roles: those in their directories, and those that skep makes for some that come with it."""

from collections.abc import Mapping

from model import certificate, roles
from model.digest import Entry, Inputs, read_tree, sha256, tree_inputs
from model.errors import ConfigError
from tasks.run import Run


class Role:
    """One role as it is used once, read when it is asked for: what is hashed is what is run.

    Args:
        run: The run.
        name: The role's name.
        variables: What it sees.

    Raises:
        ConfigError: There is no such role.

    """

    def __init__(self, run: Run, name: str, variables: Mapping[str, str]) -> None:
        """Find it."""
        path = roles.find(run.directory, name)
        if path is None:
            raise ConfigError([f"there is no directory roles/{name} in {run.directory}"])
        self._run, self.name, self.variables, self.path = run, name, dict(variables), path
        self._tree: tuple[Entry, ...] | None = None
        # What a role of the site's own is called does not matter.
        self._kind = name if roles.is_built_in(path) else ""

    @property
    def tree(self) -> tuple[Entry, ...]:
        """The files in its directory."""
        if self._tree is None:
            self._tree = read_tree(self.path)
        return self._tree

    def inputs(self) -> Inputs:
        """Return what counts of its files. Of those that skep makes: what they are made from; none is made here.

        Raises:
            KeyError: It wants the site's CA, and there is no vault yet.

        """
        found = tree_inputs(f"{self.path.parent.name}/{self.name}", self.tree)
        if self._kind in {roles.TRUST, roles.CERTIFICATE}:
            found[f"{self.name}.ca"] = f"sha256:{sha256(self._run.vault.stage.ca_certificate)}"
        if self._kind == roles.CERTIFICATE:
            found[f"{self.name}.form"] = certificate.FORM
        return found

    def entries(self) -> tuple[Entry, ...]:
        """Return all its files.

        Raises:
            ConfigError: A variable of its is missing or can't be used.

        """
        if self._kind not in {roles.TRUST, roles.CERTIFICATE}:
            return self.tree
        secrets = self._run.vault.stage
        made = {"ca.crt": secrets.ca_certificate}
        if self._kind == roles.CERTIFICATE:
            try:
                names, addresses = roles.names(self.variables)
            except ValueError as error:
                raise ConfigError([f"role {self.name}: {error}"]) from error
            key, issued = certificate.issue(secrets.ca_key, secrets.ca_certificate, names, addresses)
            made |= {"tls.crt": issued, "tls.key": key.reveal()}
        directory = Entry("files", 0o755, b"", "directory")
        files = (Entry(f"files/{name}", 0o644, text.encode(), "file") for name, text in sorted(made.items()))
        return (*self.tree, directory, *files)
