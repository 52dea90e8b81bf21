"""Check images: bases, registries, roles."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from model import site as types
from model.checks.settings import (
    check_command,
    check_directory,
    check_health,
    check_program,
    check_signal,
    check_user,
)
from model.checks.shared import check_reference, check_suite, check_url, check_variables, known_are, no_secret
from model.errors import ConfigError
from model.extras import ANSIBLE
from model.images import ansible, bases, roles
from model.images.build_context import dockerfile, look_through
from model.images.reference import is_registry
from model.keys.tree import paths_below
from model.labels import LABEL_PREFIX
from model.site.base import LAST_PORT
from model.stage import scalar_text
from model.toml_text import short_text
from model.user_paths import is_file

_PORT = re.compile(r"([0-9]{1,5})/(tcp|udp|sctp)")


def check_image(path: str, image: types.Image, site: types.Site, directory: Path) -> Iterator[str]:
    """Yield the mistakes of one image."""
    if (image.from_ is None) == (image.build is None):
        yield f"{path}: needs exactly one of from, build"
    if image.build is not None:
        yield from _build(f"{path}.build", image, image.build, directory)
    if image.from_ is not None and image.from_ not in site.bases:
        yield from check_reference(f"{path}.from", image.from_)
    if image.pull_from not in site.bases:
        yield from check_reference(f"{path}.pull_from", image.pull_from)
    yield from check_variables(f"{path}.env", image.env)
    yield from check_signal(f"{path}.stop_signal", image.stop_signal)
    yield from check_directory(f"{path}.working_dir", image.working_dir)
    yield from check_health(f"{path}.healthcheck", image.healthcheck)
    yield from check_command(f"{path}.command", image.command)
    yield from check_command(f"{path}.entrypoint", image.entrypoint)
    yield from check_program(f"{path}.entrypoint", image.entrypoint)
    yield from check_user(f"{path}.user", image.user)
    yield from _exposed(f"{path}.expose", image.expose)
    if image.pull_on and image.pull_from is None:
        yield f"{path}.pull_on: needs pull_from, where it is pulled from"
    for i, stage in enumerate(image.pull_on):
        if stage not in site.stages:
            yield f"{path}.pull_on[{i}]: there is no stage {stage!r}{known_are(site.stages)}"
    for i, secret in enumerate(image.secrets):
        if secret not in site.secrets:
            yield f"{path}.secrets[{i}]: {no_secret(site.secrets)}"
    for label in image.labels:
        if label.startswith(LABEL_PREFIX):
            yield f"{path}.labels: {label!r} is skep's own"
    yield from check_roles(f"{path}.roles", image.roles, directory, image.vars)


def _build(path: str, image: types.Image, build: types.Build, directory: Path) -> Iterator[str]:
    """Yield the reasons for which an image can't be built by its Dockerfile.

    Args:
        path: The path of `build`.
        image: The image.
        build: How it is built.
        directory: The site's.

    """
    where = f"{build.context}/{build.dockerfile}"
    if not is_file(directory / where):
        yield f"{path}: there is no {where} in {directory}"
        return
    try:
        look_through(directory, build.context, build.dockerfile)
        read = dockerfile(directory, build)
    except ConfigError as error:
        yield from (f"{path}: {problem}" for problem in error.problems)
        return
    yield from (f"{path}: {where}: {problem}" for problem in read.problems)
    if build.target is not None and read.stages and read.number(build.target) is None:
        stages = known_are([stage.name for stage in read.stages if stage.name])
        yield f"{path}.target: {where} has no stage {short_text(build.target)}{stages}"
    for use in read.images(build.target):
        if use.image:
            yield from check_reference(f"{path}: {where}: line {use.line}", use.image)
    for name, is_required in read.secrets.items():
        if is_required and name not in image.secrets:
            yield f"{path}: {where} needs the secret {short_text(name)}, which `secrets` of the image lacks"
    for i, name in enumerate(image.secrets):
        if not image.roles and name not in read.secrets:
            yield (
                f"{path.removesuffix('.build')}.secrets[{i}]: nobody sees {name}: {where} has no "
                f"RUN --mount=type=secret,id={name}, and the image has no roles"
            )


def check_circles(site: types.Site) -> Iterator[str]:
    """Yield a line for each image whose Dockerfile is built on the image itself."""
    for name in site.froms:
        # Its own name is that of a base.
        waiting: list[tuple[str, tuple[str, ...]]] = [
            (each, (name, each)) for each in site.froms[name] if each != name
        ]
        seen: set[str] = set()
        while waiting:
            each, way = waiting.pop()
            if each == name:
                yield f"images.{name}.build: its Dockerfile is built on itself: {' → '.join(way)}"
                break
            if each not in seen:
                seen.add(each)
                waiting += [(further, (*way, further)) for further in site.froms.get(each, ())]


def _exposed(path: str, ports: Iterable[str]) -> Iterator[str]:
    """Yield the ports that are none."""
    for i, text in enumerate(ports):
        found = _PORT.fullmatch(text)
        if not found or not 1 <= int(found[1]) <= LAST_PORT:
            yield f"{path}[{i}]: {short_text(text.removesuffix('/tcp'))} is not a port (example: 53/udp)"


def check_base(path: str, name: str, base: types.Base, directory: Path) -> Iterator[str]:
    """Yield the mistakes of one base."""
    ways = (*bases.MAKERS, "image")
    if len([key for key in ways if getattr(base, key) is not None]) > 1:
        yield f"{path}: takes only one of {', '.join(ways)}"
    for key in ("tarball", "archive"):
        file = getattr(base, key)
        if file is not None and not is_file(directory / file):
            yield f"{path}.{key}: there is no file {file} in {directory}"
    if base.debootstrap is not None:
        yield from check_suite(f"{path}.debootstrap", base.debootstrap)
    yield from check_url(f"{path}.mirror", base.mirror)
    if base.tag is not None and base.archive is None:
        yield f"{path}.tag: names an image in `archive`, and there is no archive"
    if base.image is not None:
        yield from check_reference(f"{path}.image", base.image)
    elif not any(getattr(base, maker) is not None for maker in bases.MAKERS):
        yield from check_reference(path, name)


def check_registry(path: str, name: str, registry: types.ExternalRegistry, site: types.Site) -> Iterator[str]:
    """Yield the mistakes of one external registry."""
    if not is_registry(name):
        yield f"{path}: is not how references name a registry, as in docker.io or registry.example:5000"
    if (registry.user is None) != (registry.password is None):
        yield f"{path}: a login needs both user and password"
    if registry.password is not None:
        if registry.password not in site.secrets:
            yield f"{path}.password: {no_secret(site.secrets)}"
        elif site.secrets[registry.password].generate is not None:
            yield f"{path}.password: {registry.password} is generated here; {name} can't know it"


def check_roles(
    path: str, uses: Iterable[types.RoleUse], directory: Path, common: Mapping[str, types.Value]
) -> Iterator[str]:
    """Yield the mistakes of a list of roles that have variables in common."""
    for i, use in enumerate(uses):
        role = roles.find(directory, use.role)
        if role is None:
            yield f"{path}[{i}]: there is no directory roles/{use.role} in {directory}"
        elif ansible.is_role(role):
            yield from _role_of_ansible(f"{path}[{i}]", use.role, role, directory)
        elif ansible.is_of_files(role):
            yield from _role_of_files(f"{path}[{i}]", use, role)
        elif not (role / ansible.SCRIPT).is_file():
            kinds = f"{ansible.SCRIPT}, {ansible.MAIN[0]} nor {ansible.ROOT}/"
            yield f"{path}[{i}]: roles/{use.role} has neither {kinds}"
        else:
            yield from _certificates(f"{path}[{i}].vars", roles.kind(role), {**common, **use.vars})


def _role_of_files(path: str, use: types.RoleUse, role: Path) -> Iterator[str]:
    """Yield the mistakes of a role of files."""
    if use.vars:
        yield f"{path}.vars: roles/{use.role} only has files, and uses no variables: write a {ansible.SCRIPT}"
    try:
        found = paths_below(role / ansible.ROOT)
    except ConfigError as error:
        yield from (f"{path}: {problem}" for problem in error.problems)
        return
    if all(kind == "directory" for _, kind in found):
        yield f"{path}: roles/{use.role}/{ansible.ROOT}/ has no file that git keeps, so a clone has no such directory"
    for name, _ in found:
        if name.rpartition("/")[2].startswith(_WHITEOUT):
            yield f"{path}: roles/{use.role}/{ansible.ROOT}/{name}: no file of an image can begin with {_WHITEOUT}"


_WHITEOUT = ".wh."
"""How the names of a layer's entries begin that remove what lies below it."""


def _certificates(path: str, kind: str, variables: Mapping[str, types.Value]) -> Iterator[str]:
    """Yield the mistakes in the variables of a role that makes certificates."""
    name = {roles.CERTIFICATE: roles.NAMES, roles.CERTIFICATES: roles.LIST}.get(kind, "")
    try:
        if kind == roles.CERTIFICATE:
            roles.names({name: scalar_text(value) for name, value in variables.items()})
        if kind == roles.CERTIFICATES:
            roles.certificates(variables)
    except ValueError as error:
        yield f"{path}.{name}: {error}"


def check_ansible(site: types.Site, directory: Path) -> Iterator[str]:
    """Yield a line if the site has an Ansible role and Ansible is neither installed nor can be when it is needed."""
    if ansible.is_installed() or not ANSIBLE.obstacle:
        return
    lists = [image.roles for image in site.images.values()]
    lists += [service.initialize_roles for service in site.services.values()]
    for use in (use for uses in lists for use in uses):
        role = roles.find(directory, use.role)
        if role is not None and ansible.is_role(role):
            yield f"roles/{use.role}: {ANSIBLE.refusal}"
            return


def _role_of_ansible(path: str, name: str, role: Path, directory: Path) -> Iterator[str]:
    """Yield the mistakes of an Ansible role; `check_ansible` checks that Ansible is installed."""
    if (role / ansible.SCRIPT).is_file():
        main = next(main for main in ansible.MAIN if (role / main).is_file())
        yield f"{path}: roles/{name} has both {ansible.SCRIPT} and {main}; which of them is it?"
    try:
        ansible.trees(directory, name)
    except ConfigError as error:
        yield from (f"{path}: {problem}" for problem in error.problems)
