"""The files of roles: those in their directories, and those that skep makes for some of its own roles."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from model.errors import ConfigError
from model.images import ansible, roles
from model.keys.digest import Inputs, flatten, sha256
from model.keys.tree import Entry, read_tree, tree_inputs
from model.secrets import certificate
from model.secrets.secret import Secret
from model.stage import scalar_text
from tasks.run.secrets import Secrets


class Role:
    """One use of a role. Its files are read once: those that are hashed are those that run.

    Args:
        directory: The site's directory.
        secrets: The stage's secrets, with its CA.
        name: The role's name.
        own: The variables of this use of it.
        common: Those that it shares with the other roles of an image.

    Raises:
        ConfigError: There is no such role.

    """

    def __init__(
        self,
        directory: Path,
        secrets: Secrets,
        name: str,
        own: Mapping[str, Any],
        common: Mapping[str, Any] | None = None,
    ) -> None:
        path = roles.find(directory, name)
        if path is None:
            raise ConfigError([f"there is no directory roles/{name} in {directory}"])
        self._directory, self._secrets, self.name, self.path = directory, secrets, name, path
        defaults = roles.HIVE_BUILDER_VARIABLES.get(name, {}) if roles.is_built_in(path) else {}
        self.own, self.common = dict(own), dict(common or {})
        self.own |= {key: value for key, value in defaults.items() if key not in {**self.common, **self.own}}
        self.is_ansible, self.is_files = ansible.is_role(path), ansible.is_of_files(path)
        # What a role of the site's own is called does not matter.
        self._kind = roles.kind(path)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables of a script."""
        return {
            name: value.reveal() if isinstance(value, Secret) else scalar_text(value)
            for name, value in {**self.common, **self.own}.items()
        }

    @cached_property
    def tree(self) -> tuple[Entry, ...]:
        """The files in its directory; of a role of files those that the image gets."""
        return read_tree(self.path / ansible.ROOT if self.is_files else self.path)

    @cached_property
    def trees(self) -> dict[str, tuple[Entry, ...]]:
        """The files of a role of Ansible, and of those that it uses, by the roles' names."""
        return ansible.trees(self._directory, self.name)

    @cached_property
    def plugins(self) -> dict[str, tuple[Entry, ...]]:
        """The site's own modules and filters that a role of Ansible may use, by their directories."""
        return ansible.plugins(self._directory, self.trees)

    def variable_inputs(self, label: str) -> Inputs:
        """Return its variables as inputs; of one that a secret is in, a keyed digest.

        Args:
            label: The name of this use's inputs, as `roles[0].vars`.

        """
        if self.is_files:
            return {}
        own = {**({} if self.is_ansible else self.common), **self.own}
        secret = {name: value for name, value in own.items() if isinstance(value, Secret)}
        # A script sees nothing but texts.
        plain = {
            name: value if self.is_ansible else scalar_text(value)
            for name, value in own.items()
            if name not in secret
        }
        return {
            **flatten(label, plain),
            **{f"{label}.{name}": value.fingerprint(self._secrets.pepper) for name, value in secret.items()},
            # The variables of this use override those that a role of Ansible sets itself; the common ones don't.
            **(flatten("vars", self.common) if self.is_ansible and self.common else {}),
        }

    def inputs(self) -> Inputs:
        """Return its files as inputs. For those that skep makes it returns their inputs; none is made here.

        Raises:
            KeyError: It wants the site's CA, and there is no vault yet.

        """
        if self.is_ansible:
            return self._inputs_of_ansible()
        root = f"/{ansible.ROOT}" if self.is_files else ""
        found = tree_inputs(f"{self.path.parent.name}/{self.name}{root}", self.tree)
        return {**found, **self._inputs_of_the_ca(self.name, self._kind)}

    def _inputs_of_the_ca(self, name: str, kind: str) -> Inputs:
        """Return what a role that comes with skep has of the site's CA."""
        found: Inputs = {}
        if kind in roles.OF_THE_CA:
            found[f"{name}.ca"] = f"sha256:{sha256(self._secrets.vault.stage.ca_certificate)}"
        if kind in {roles.CERTIFICATE, roles.CERTIFICATES}:
            found[f"{name}.form"] = certificate.FORM
        return found

    @property
    def ca(self) -> tuple[Secret, str] | None:
        """The key and certificate of the site's CA, if a role of Ansible imports one that wants it."""
        paths = [roles.find(self._directory, name) for name in self.trees] if self.is_ansible else []
        if not any(path is not None and roles.kind(path) in roles.OF_THE_CA for path in paths):
            return None
        stage = self._secrets.vault.stage
        return stage.ca_key, stage.ca_certificate

    def _inputs_of_ansible(self) -> Inputs:
        """Return the files of a role of Ansible and of those that it uses, and Ansible's own release."""
        found = {"ansible": ansible.feature_release()}
        for name, tree in self.trees.items():
            path = roles.find(self._directory, name) or self.path
            found |= tree_inputs(f"{path.parent.name}/{name}", tree)
            found |= self._inputs_of_the_ca(name, roles.kind(path))
        for place, entries in self.plugins.items():
            found |= tree_inputs(place, entries)
        return found

    def entries(self) -> tuple[Entry, ...]:
        """Return all its files; of a role of Ansible below its name, and with it those that it uses.

        Raises:
            ConfigError: A variable of its is missing or can't be used.

        """
        if self.is_ansible:
            return tuple(
                entry.at(f"{name}/{entry.path}") for name, tree in self.trees.items() for entry in tree
            )
        if self._kind not in roles.OF_THE_CA:
            return self.tree
        stage = self._secrets.vault.stage
        variables = {**self.common, **self.own} if self._kind == roles.CERTIFICATES else self.variables
        try:
            made = roles.made_files(self._kind, variables, stage.ca_key, stage.ca_certificate)
        except ValueError as error:
            raise ConfigError([f"role {self.name}: {error}"]) from error
        directory = Entry("files", 0o755, b"", "directory")
        files = (Entry(f"files/{name}", 0o644, text.encode(), "file") for name, text in sorted(made.items()))
        return (*self.tree, directory, *files)
