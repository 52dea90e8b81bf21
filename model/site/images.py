"""Images: what they are made from, how, and where they are kept."""

from typing import Annotated

from msgspec import Meta, Struct, field

from model.site.base import Frozen, Label, Scalar, ShortForm, Value, Variable
from model.units import Age, Seconds, Written


class Base(Frozen, frozen=True):
    """How a base image is had, where it is not simply pulled: at most one of these."""

    debootstrap: (
        Annotated[str, Meta(description="Made from the packages of this Debian or Ubuntu suite.")] | None
    ) = None
    mirror: Annotated[str, Meta(description="Where debootstrap's packages come from.")] = (
        "http://deb.debian.org/debian"
    )
    include: Annotated[list[str], Meta(description="Packages that debootstrap adds.")] = []
    tarball: (
        Annotated[str, Meta(description="A root file system as a tar file, in the site's directory.")] | None
    ) = None
    archive: (
        Annotated[
            str, Meta(description="A file of `docker save`, in the site's directory; may be compressed.")
        ]
        | None
    ) = None
    tag: (
        Annotated[
            str, Meta(description="What the image is called in `archive`, where that is not the base's name.")
        ]
        | None
    ) = None
    image: (
        Annotated[
            str, Meta(description="Another reference to pull in its place: a mirror's, or one with a digest.")
        ]
        | None
    ) = None


class ExternalRegistry(Frozen, frozen=True):
    """A registry that images are pulled from. Nothing of it makes an image stale."""

    user: Annotated[str, Meta(description="Who logs in there.")] | None = None
    password: (
        Annotated[str, Meta(description="The name in `[secrets]` of that user's password, or token.")] | None
    ) = None
    mirror: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._/-]+)?$",
                description="A registry that is asked in its place, as in `mirror.example:5000`, with its own login.",
            ),
        ]
        | None
    ) = None


class RoleUse(Frozen, ShortForm, frozen=True):
    """A role with variables of its own."""

    role: Annotated[
        str,
        Meta(
            description="A directory below `roles/`, or one of skep's own: `python`, `trust-ca`, `certificate`.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        ),
    ]
    vars: Annotated[
        dict[Variable, Value],
        Meta(
            description="Its variables. A script gets lists and tables as JSON, a role of Ansible as they are."
        ),
    ] = {}

    @property
    def short(self) -> str | None:
        """The role's name, if it has no variables of its own."""
        return None if self.vars else self.role


class Healthcheck(Struct, frozen=True, kw_only=True):
    """How Docker tests a container: it runs `test` every `interval`."""

    test: str | list[str]
    interval: Seconds = 30.0
    timeout: Seconds = 30.0
    retries: int = 3
    start_period: Seconds = 0.0


class ImageBase(Frozen, frozen=True):
    """An image that skep builds."""

    from_: Annotated[str, Meta(description="The base image; `[bases]` may say how it is had.")] | None = (
        field(name="from", default=None)
    )
    build: (
        Annotated[
            str,
            Meta(
                description="In place of `from`: a directory with a Dockerfile, in the site's directory; what its "
                "`.dockerignore` names does not count. Roles may come on top."
            ),
        ]
        | None
    ) = None
    vars: Annotated[dict[Variable, Value], Meta(description="Variables that all its roles see.")] = {}
    secrets: Annotated[
        list[str],
        Meta(
            description="Of `[secrets]`: what its roles find as files in `/.skep/secrets/` (roles of Ansible: as "
            "variables), and nobody in the image."
        ),
    ] = []
    privileged: Annotated[
        bool,
        Meta(description="Whether its roles run in a privileged container; not every engine can do that."),
    ] = False
    standalone: Annotated[
        bool,
        Meta(
            description="Whether it has an init, as systemd, which runs while its roles are applied: from the role "
            "after that which installs `/sbin/init`."
        ),
    ] = False
    pull_on: Annotated[
        list[Label], Meta(description="The stages where it is not built but pulled from `pull_from`.")
    ] = []
    pull_from: (
        Annotated[str, Meta(description="Its reference in another registry, as in `hub.example/web:1.2`.")]
        | None
    ) = None
    env: Annotated[dict[str, Scalar], Meta(description="Environment of its containers.")] = {}
    entrypoint: (
        Annotated[
            str | list[str],
            Meta(
                description="What its containers run: a text for the shell, or words. "
                "With one, the base's command does not count."
            ),
        ]
        | None
    ) = None
    command: (
        Annotated[
            str | list[str],
            Meta(
                description="The entrypoint's arguments, or what is run without one: a text for the shell, or words."
            ),
        ]
        | None
    ) = None
    user: (
        Annotated[str, Meta(description="Who its containers run as; by default as its base says.")] | None
    ) = None
    working_dir: Annotated[str, Meta(description="The directory that its containers start in.")] | None = None
    stop_signal: (
        Annotated[str, Meta(description="What ends its containers in order, as in `SIGQUIT`.")] | None
    ) = None
    labels: Annotated[dict[str, str], Meta(description="Labels of the image, beside skep's own.")] = {}


def _exposed(ports: list[str]) -> list[str]:
    """Return ports as site.toml has them."""
    return [port.removesuffix("/tcp") for port in ports]


class Image(ImageBase, frozen=True):
    """An image that skep builds.

    Attributes beside those of the table in site.toml:

    roles: Applied in order, one layer each.
    expose: The ports that its containers listen on, as in `53/udp`.
    max_age: Its layers are built anew this often, counted from 1970.
    timeout: How long one role may take.
    """

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
            description="How many versions of each image and base stay there, the newest first, to go back to; "
            "what is in use stays in any case. The rest is removed when a run that made an image ends well.",
        ),
    ] = 5
