"""Secrets and configs: their sources, and the files that services get."""

from typing import Annotated

from msgspec import Meta

from model.site.base import Frozen, Name, ShortForm

_ID = (
    Annotated[int, Meta(ge=0, le=2**32 - 2)]
    | Annotated[str, Meta(pattern="^[0-9]{1,10}$", description="The number of a user or group, as in `33`.")]
)
_PERMISSIONS = "^[01]?[0-7]{3}$"


class Generated(Frozen, frozen=True):
    """The form of a generated secret that is not letters and digits. Give exactly one of these keys."""

    hex: (
        Annotated[
            int, Meta(ge=6, le=1024, description="The number of random bytes, written as hexadecimal digits.")
        ]
        | None
    ) = None
    base64: (
        Annotated[int, Meta(ge=6, le=1024, description="The number of random bytes, written in base64.")]
        | None
    ) = None
    key_pair: (
        Annotated[
            str,
            Meta(
                pattern="^(ssh-ed25519|ed25519|rsa)$",
                description="The kind of a private key: `ssh-ed25519` (for ssh), `ed25519` or `rsa` (PEM). Its public "
                "key is `{{ public_keys.<name> }}` in templates.",
            ),
        ]
        | None
    ) = None


class SecretSource(Frozen, frozen=True):
    """The source of a secret. Give exactly one of `generate`, `env`, `file` and `command`."""

    generate: (
        Annotated[
            int,
            Meta(
                ge=12,
                le=256,
                description="The number of random letters and digits, or a table with another form. The secret is "
                "generated once and kept.",
            ),
        ]
        | Generated
        | None
    ) = None
    env: (
        Annotated[
            str, Meta(description="The environment variable that holds the secret when doit is started.")
        ]
        | None
    ) = None
    file: (
        Annotated[
            str,
            Meta(
                description="The file that holds the secret, relative to the site's directory. One line break at the "
                "end of a text is removed."
            ),
        ]
        | None
    ) = None
    command: (
        Annotated[
            str | list[str],
            Meta(
                description="The command that prints the secret: a text for the shell, or a list of words. It runs "
                "on this machine in the site's directory; one line break at the end of its output is "
                "removed. `doit list` and `doit why` don't run it."
            ),
        ]
        | None
    ) = None
    binary: Annotated[
        bool,
        Meta(
            description="Whether `file` or `command` gives the secret byte by byte: nothing is removed from a text."
        ),
    ] = False


class SecretUse(Frozen, ShortForm, frozen=True):
    """A secret as a file in a service's containers."""

    source: Annotated[Name, Meta(description="The secret's name in `[secrets]`.")]
    target: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description="The file in the container: a name in `/run/secrets/`, or an absolute path. By default the "
                "secret's name.",
            ),
        ]
        | None
    ) = None
    uid: Annotated[_ID, Meta(description="The numeric id of the file's owner.")] = 0
    gid: Annotated[_ID, Meta(description="The numeric id of the file's group.")] = 0
    mode: Annotated[str, Meta(pattern=_PERMISSIONS, description="The file's permissions, as in `0440`.")] = (
        "0400"
    )

    @property
    def short(self) -> str | None:
        """The secret's name, if the file has all defaults."""
        return self.source if self == SecretUse(source=self.source) else None


class Config(Frozen, frozen=True):
    """The content of a file that services get. Give exactly one of `file`, `text` and `external`."""

    file: (
        Annotated[str, Meta(description="The file with the content, relative to the site's directory.")]
        | None
    ) = None
    text: Annotated[str, Meta(description="The content itself.")] | None = None
    template: Annotated[
        bool,
        Meta(
            description="Whether `{{ … }}` is rendered as a Jinja2 template. With `false` the content is used as it is."
        ),
    ] = True
    template_driver: (
        Annotated[
            str,
            Meta(
                pattern="^golang$",
                description="Docker's own template driver, `golang`: Docker renders `{{ … }}` for each task as it "
                'starts (`{{ .Node.Hostname }}`, `{{ secret "db" }}`), and skep leaves the content as it is.',
            ),
        ]
        | None
    ) = None
    external: Annotated[
        bool,
        Meta(
            description="Whether the Docker config is there already: it is used, and neither made nor removed."
        ),
    ] = False
    name: (
        Annotated[str, Meta(description="With `external`: the config's name in Docker, if it is another.")]
        | None
    ) = None

    @property
    def is_rendered(self) -> bool:
        """Whether skep renders it."""
        return self.template and not self.external and self.template_driver is None


class ConfigUse(Frozen, ShortForm, frozen=True):
    """A config as a file in a service's containers."""

    source: Annotated[Name, Meta(description="The config's name in `[configs]`.")]
    target: (
        Annotated[
            str,
            Meta(
                pattern="^/.",
                description="The file in the container: an absolute path. By default the config's name in the root "
                "directory.",
            ),
        ]
        | None
    ) = None
    uid: Annotated[_ID, Meta(description="The numeric id of the file's owner.")] = 0
    gid: Annotated[_ID, Meta(description="The numeric id of the file's group.")] = 0
    mode: Annotated[str, Meta(pattern=_PERMISSIONS, description="The file's permissions, as in `0440`.")] = (
        "0444"
    )

    @property
    def short(self) -> str | None:
        """The config's name, if the file has all defaults."""
        return self.source if self == ConfigUse(source=self.source) else None
