"""Images: their bases, roles and configuration, and the registries."""

from typing import Annotated

from msgspec import Meta, Struct, field

from model.site.base import Frozen, Label, Scalar, ShortForm, Value, Variable
from model.units import Age, Seconds, Written


class Base(Frozen, frozen=True):
    """How to obtain a base image. Give at most one of `debootstrap`, `tarball`, `archive` and `image`."""

    debootstrap: (
        Annotated[
            str,
            Meta(
                description="The Debian or Ubuntu suite that debootstrap makes the image from, as in `trixie`."
            ),
        ]
        | None
    ) = None
    mirror: Annotated[str, Meta(description="The package mirror that debootstrap uses.")] = (
        "http://deb.debian.org/debian"
    )
    include: Annotated[list[str], Meta(description="Packages that debootstrap installs in addition.")] = []
    tarball: (
        Annotated[
            str,
            Meta(
                description="A tar file with a root file system. The path is relative to the site's directory."
            ),
        ]
        | None
    ) = None
    archive: (
        Annotated[
            str,
            Meta(
                description="A file from `docker save`, which may be compressed. The path is relative to the site's "
                "directory."
            ),
        ]
        | None
    ) = None
    tag: (
        Annotated[str, Meta(description="The image's name in `archive`, if it is not the base's name.")]
        | None
    ) = None
    image: (
        Annotated[str, Meta(description="The reference to pull instead: a mirror's, or one with a digest.")]
        | None
    ) = None


class ExternalRegistry(Frozen, frozen=True):
    """A registry that images are pulled from. A change here does not make an image stale."""

    user: Annotated[str, Meta(description="The user that logs in to the registry.")] | None = None
    password: (
        Annotated[str, Meta(description="The name in `[secrets]` of the user's password or token.")] | None
    ) = None
    mirror: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._/-]+)?$",
                description="A mirror that is used instead, as in `mirror.example:5000`. It may have a login of its "
                "own in `[registries]`.",
            ),
        ]
        | None
    ) = None


class RoleUse(Frozen, ShortForm, frozen=True):
    """A role, with its variables."""

    role: Annotated[
        str,
        Meta(
            description="The role: a directory below `roles/`, or one that comes with skep (`python`, `trust-ca`, "
            "`certificate`).",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        ),
    ]
    vars: Annotated[
        dict[Variable, Value],
        Meta(
            description="The role's variables. A script gets lists and tables as JSON, an Ansible role as they are."
        ),
    ] = {}

    @property
    def short(self) -> str | None:
        """The role's name, if it has no variables."""
        return None if self.vars else self.role


class Healthcheck(Struct, frozen=True, kw_only=True):
    """A health check: Docker runs `test` in a container every `interval`.

    The test is a text for the shell or the words of a command; without words the image's own check is switched off.
    """

    test: str | list[str]
    interval: Seconds = 30.0
    timeout: Seconds = 30.0
    retries: int = 3
    start_period: Seconds = 0.0
    start_interval: Seconds = 0.0


class Build(Frozen, ShortForm, frozen=True):
    """How a Dockerfile is built."""

    context: Annotated[
        str,
        Meta(
            description="The directory of the build's context, relative to the site's directory. Files in its "
            "`.dockerignore` are left out, and those that git ignores."
        ),
    ]
    dockerfile: Annotated[str, Meta(description="The Dockerfile, relative to `context`.")] = "Dockerfile"
    target: Annotated[str, Meta(description="The stage to build. By default the last one.")] | None = None
    args: Annotated[
        dict[Variable, Scalar],
        Meta(
            description="Values of the Dockerfile's `ARG`s. Nothing secret: the image's history shows them; for "
            "secrets there is `secrets`."
        ),
    ] = {}

    @property
    def short(self) -> str | None:
        """The context, if nothing else is said."""
        return self.context if self == Build(context=self.context) else None


class ImageBase(Frozen, frozen=True):
    """An image that skep builds."""

    from_: Annotated[str, Meta(description="The base image. `[bases]` may say how to obtain it.")] | None = (
        field(name="from", default=None)
    )
    vars: Annotated[dict[Variable, Value], Meta(description="Variables for all of the image's roles.")] = {}
    secrets: Annotated[
        list[str],
        Meta(
            description="Names in `[secrets]`. The image's roles find them as files in `/.skep/secrets/` "
            "(Ansible roles: as variables), its Dockerfile by `RUN --mount=type=secret,id=NAME`; they do not become "
            "part of the image."
        ),
    ] = []
    privileged: Annotated[
        bool,
        Meta(description="Whether the roles run in a privileged container. Not every engine allows that."),
    ] = False
    standalone: Annotated[
        bool,
        Meta(
            description="Whether the image has an init such as systemd, which then runs while roles are applied: from "
            "the role after the one that installs `/sbin/init`."
        ),
    ] = False
    pull_on: Annotated[
        list[Label],
        Meta(description="The stages that pull the image from `pull_from` instead of building it."),
    ] = []
    pull_from: (
        Annotated[
            str, Meta(description="The image's reference in another registry, as in `hub.example/web:1.2`.")
        ]
        | None
    ) = None
    env: Annotated[
        dict[str, Scalar], Meta(description="Environment variables of the image's containers.")
    ] = {}
    entrypoint: (
        Annotated[
            str | list[str],
            Meta(
                description="The containers' entrypoint: a text for the shell, or a list of words. It makes the base "
                "image's command void."
            ),
        ]
        | None
    ) = None
    command: (
        Annotated[
            str | list[str],
            Meta(
                description="The entrypoint's arguments, or the command if there is no entrypoint: a text for the "
                "shell, or a list of words."
            ),
        ]
        | None
    ) = None
    user: (
        Annotated[str, Meta(description="The user that containers run as. By default the base image's.")]
        | None
    ) = None
    working_dir: Annotated[str, Meta(description="The containers' working directory.")] | None = None
    stop_signal: (
        Annotated[str, Meta(description="The signal that stops containers, as in `SIGQUIT`.")] | None
    ) = None
    labels: Annotated[dict[str, str], Meta(description="Further labels of the image.")] = {}


def _exposed(ports: list[str]) -> list[str]:
    """Return ports as site.toml has them."""
    return [port.removesuffix("/tcp") for port in ports]


class Image(ImageBase, frozen=True):
    """An image that skep builds.

    Attributes beside those of the table in site.toml:

    build: The Dockerfile that it is built by, instead of `from`.
    roles: Applied in order, one layer each.
    expose: The ports that its containers listen on, as in `53/udp`.
    max_age: Its layers are built anew this often, counted from 1970.
    timeout: How long one role may take.
    """

    build: Build | None = None
    roles: list[RoleUse] = []
    expose: Annotated[list[str], Written(_exposed)] = []
    max_age: Age | None = None
    healthcheck: Healthcheck | None = None
    timeout: Seconds = 1800.0

    def pulled_on(self, stage: str) -> str | None:
        """Return the reference that a stage pulls the image from; None in a stage that builds it."""
        return self.pull_from if stage in self.pull_on else None


class Registry(Frozen, frozen=True):
    """The site's registry, on the repository host."""

    keep: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="How many versions of each image and base the registry keeps, the newest first, so that "
            "you can go back. Versions in use are always kept. A successful run that made an image "
            "removes the others.",
        ),
    ] = 5
