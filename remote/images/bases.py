"""Base images on the repository host's engine: pulled, loaded from a file, or made by a script.

A reference is first *resolved*: the upstream registry is asked for the digest that the tag has there, and the image is
pulled by that digest. So it is known which image was pulled, and a tag that has moved shows.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import quote as quote_path
from urllib.parse import urlencode

import requests
from docker import DockerClient
from docker.auth import encode_header
from docker.errors import APIError, ImageNotFound, create_api_error_from_http_exception

from model.errors import BuildError
from model.images.reference import Reference, parse
from model.keys.digest import sha256
from model.log import Log
from model.reasons import reason_of
from remote.engine.client import engine_errors
from remote.images.debian_suites import DEBIAN, KEPT_BASES
from remote.ssh.connection import DOCKER_SOCKET

BASE_COMMAND = 'CMD ["/bin/sh"]'
"""The command of a base that skep makes, as that of the distributions' own images."""

PULL_SILENCE = 300.0
"""Seconds that a pull may show no progress."""
LOCK_WAIT = 1500
"""Seconds that a base is waited for which a killed run's script is still making."""
_REFUSED, _NOT_FOUND = {401, 403}, 404
_REFUSALS = ("unauthorized", "denied", "no basic auth credentials", "authentication required")
_MISSING = ("manifest unknown", "not found", "name unknown", "no such manifest")


class RefusedError(BuildError):
    """An upstream registry did not let in the user that site.toml names."""


class UnreachableError(BuildError):
    """An upstream registry did not answer, or with an error of its own: whether it has the image is not known."""


@dataclass(frozen=True)
class Source:
    """Where an image is pulled from.

    Args:
        reference: The image, as site.toml names it.
        contact: The reference to ask for: the same, or a mirror's.
        auth: The credentials for it, as the engine's API takes them; empty without a login.
        login: The login in the words of site.toml, for messages: `user ann with secret hub`; empty without one.

    """

    reference: Reference
    contact: Reference
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    login: str = ""

    @property
    def place(self) -> str:
        """The registry that is asked, for messages."""
        registry = self.contact.registry
        mirror = f" (mirror of {self.reference.registry})" if registry != self.reference.registry else ""
        return f"{registry}{mirror}"


def resolve(client: DockerClient, host: str, source: Source) -> str:
    """Return the digest that upstream has under a reference now.

    Raises:
        BuildError: Upstream refuses, or has no such image.
        UnreachableError: It could not be asked.

    """
    doing = f"asking {source.place} for {source.reference}"
    with engine_errors(host, doing, UnreachableError):
        try:
            # Without credentials of its own this call would look for some in the home directory of whoever runs doit.
            found = client.api.inspect_distribution(str(source.contact), auth_config=dict(source.auth))
        except APIError as error:
            raise _refusal(host, doing, source, _explanation(error), error.status_code) from error
    return str(found["Descriptor"]["digest"])


def present(client: DockerClient, host: str, source: Source) -> str | None:
    """Return the digest under which the engine has an image since it was last pulled, or None."""
    with engine_errors(host, f"looking for {source.reference}", BuildError):
        try:
            digests = client.images.get(str(source.reference)).attrs.get("RepoDigests") or ()
        except ImageNotFound:
            return None
    for name in (source.contact.name, source.reference.name):
        for digest in digests:
            if digest.startswith(f"{name}@"):
                return str(digest.partition("@")[2])
    return None


def pull(client: DockerClient, host: str, source: Source, digest: str, log: Log) -> str:
    """Pull an image by its digest, and return its id on the engine, where it then also has its usual name.

    Raises:
        BuildError: It can't be pulled; the message says what to do.

    """
    wanted = source.contact.at(digest)
    doing = f"pulling {source.reference.at(digest)} from {source.place}"
    with engine_errors(host, doing, BuildError):
        try:
            return str(client.images.get(str(wanted)).id)
        except ImageNotFound:
            log(f"pulling {wanted}")
        try:
            for event in _pull_events(client, wanted, source.auth):
                if "error" in event:
                    raise _refusal(host, doing, source, str(event["error"]), 0)
                if event.get("status") in {"Pull complete", "Already exists"}:
                    log(f"{event.get('id', '')}: {event['status']}")
        except APIError as error:
            raise _refusal(host, doing, source, _explanation(error), error.status_code) from error
        image = str(client.images.get(str(wanted)).id)
        if source.reference.tag:
            client.api.tag(image, source.reference.name, source.reference.tag, force=True)
    return image


def _pull_events(client: DockerClient, wanted: Reference, auth: Mapping[str, str]) -> Iterator[Any]:
    """Yield the engine's events while it pulls. The SDK's own call would wait for ever."""
    api = client.api
    answer = api.post(
        f"{api.base_url}/v{api.api_version}/images/create",
        params={"fromImage": wanted.name, "tag": wanted.digest},
        headers={"X-Registry-Auth": encode_header(dict(auth))},
        stream=True,
        timeout=PULL_SILENCE,
    )
    with answer:
        if not answer.ok:
            try:
                answer.raise_for_status()
            except requests.HTTPError as error:
                create_api_error_from_http_exception(error)
        for line in answer.iter_lines():
            if line:
                yield json.loads(line)


def _explanation(error: APIError) -> str:
    """Return the engine's own explanation of an error."""
    return str(error.explanation or error)


def _refusal(host: str, doing: str, source: Source, answer: str, status: int) -> BuildError:
    """Return the error for an answer of upstream, with the way out where there is one."""
    message = f"{host}: {doing}: {answer.strip()}"
    low = answer.lower()
    registry = source.contact.registry
    if status in _REFUSED or any(word in low for word in _REFUSALS):
        table = f'[registries."{registry}"]'
        if source.login:
            return RefusedError(f"{message}\n    {registry} refused {source.login}: see {table} in site.toml")
        # Docker Hub says the same of what it does not have.
        login = f'{table} user = "…", password = "<name in [secrets]>"'
        return BuildError(f"{message}\n    if it wants a login, say it in site.toml: {login}")
    if status == _NOT_FOUND or any(word in low for word in _MISSING):
        return BuildError(message)
    return UnreachableError(message)


# -- docker save -------------------------------------------------------------------------------------------------------


def archived(path: Path, tag: str) -> str:
    """Return the name of a tag's image in a `docker save` file; its id where it has no name there.

    Raises:
        BuildError: It is no such file, or has no such image; the message names those that it has.

    """
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile("manifest.json")
            images = json.load(member) if member is not None else []
            found = [(list(image.get("RepoTags") or ()), str(image["Config"])) for image in images]
    except KeyError as error:
        raise BuildError(f"{path}: is not a `docker save` file: it has no manifest.json") from error
    except (OSError, tarfile.TarError, ValueError, TypeError) as error:
        raise BuildError(f"{path}: can't be read as a `docker save` file: {reason_of(error)}") from error
    wanted = _canonical(tag)
    for names, _ in found:
        for name in names:
            if _canonical(name) == wanted:
                return str(name)
    if len(found) == 1 and not found[0][0]:
        # Saved by its id: there is only one that can be meant.
        return "sha256:" + found[0][1].rpartition("/")[2].removesuffix(".json")
    held = ", ".join(name for names, _ in found for name in names) or "images without names"
    raise BuildError(f"{path}: has no image {tag}, but {held}; say which with `tag`")


def load(client: DockerClient, host: str, path: Path, tag: str, log: Log) -> str:
    """Load the image of a tag from a `docker save` file on the mother, and return its id on the engine.

    Raises:
        BuildError: The file has no such image, or the engine does not take it.

    """
    name = archived(path, tag)
    log(f"loading {name} from {path}")
    with engine_errors(host, f"loading {path}", BuildError), path.open("rb") as file:
        for event in client.api.load_image(file):
            if "error" in event:
                raise BuildError(f"{host}: loading {path}: {event['error']}")
            log(str(event.get("stream", "")).strip())
        return str(client.images.get(name).id)


def _canonical(name: str) -> str:
    """Return a name in full; one that is no reference, as it is."""
    try:
        reference = parse(name)
    except ValueError:
        return name
    return f"{reference.registry}/{reference.path}:{reference.tag}"


# -- debootstrap -------------------------------------------------------------------------------------------------------

# A host need not have the docker command: Debian 13 has it in a package of its own. Perl is in every Debian and Ubuntu
# (`perl-base` is essential), and debootstrap itself runs on it. The engine gets the end of the body only when tar ended
# well: of half a root file system, or after a kill, it makes no image.
_ENGINE = r"""
use strict;
use warnings;
use Socket;
my ($path, $request, @body) = @ARGV;
$SIG{PIPE} = "IGNORE";
socket(my $engine, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!\n";
connect($engine, pack_sockaddr_un($path)) or die "$path: the Docker Engine does not answer: $!\n";
sub put {
    my ($data) = @_;
    while (length $data) {
        my $count = syswrite($engine, $data);
        defined $count or return 0;
        substr($data, 0, $count, "");
    }
    return 1;
}
my $head = "$request HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
$head .= "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n" if @body;
my $is_sent = put("$head\r\n");
if (@body && $is_sent) {
    open(my $tar, "-|", @body) or die "$body[0]: $!\n";
    while ($is_sent && sysread($tar, my $data, 1 << 16)) {
        $is_sent = put(sprintf("%x\r\n", length $data) . "$data\r\n");
    }
    if ($is_sent) {
        close($tar) or die "$body[0] failed: nothing is imported\n";
        put("0\r\n\r\n");
    }
}
my $answer = do { local $/; <$engine> } // "";
my ($header, $rest) = split(/\r\n\r\n/, $answer, 2);
my $said = $rest // "";
if (($header // "") =~ /^transfer-encoding:\s*chunked/im) {
    $said = "";
    while ($rest =~ s/^([0-9a-f]+)\r\n//i && hex($1)) {
        $said .= substr($rest, 0, hex($1), "");
        $rest =~ s/^\r\n//;
    }
}
$said =~ s/\s+$//;
print "$said\n" if length $said;
exit(($header // "") =~ m{^HTTP/1.1 200 } && $said !~ /"errorDetail"|"error":/ ? 0 : 1);
"""
"""A program for perl: one request to the engine behind a socket, whose body is the output of a command. It prints the
answer's body and fails unless the answer is good.

The API is that of `docker import`: https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/ImageCreate
"""


def debootstrap_script(suite: str, mirror: str, include: Sequence[str], tag: str) -> str:
    """Return a script that imports a minimal Debian or Ubuntu made from the distribution's packages.

    Args:
        suite: As in `trixie`.
        mirror: Where its packages come from.
        include: Packages to add.
        tag: The local tag of the image.

    """
    extra = f"--include={quote(','.join(include))}" if include else ""
    name, _, version = tag.partition(":")
    created = {"fromSrc": "-", "repo": name, "tag": version, "changes": BASE_COMMAND}
    create = quote(f"POST /images/create?{urlencode(created)}")
    # Ubuntu is told apart by the mirror's name.
    return f"""
suite={quote(suite)} mirror={quote(mirror)}
engine() {{
    perl - {quote(DOCKER_SOCKET)} "$@" <<'END'
{_ENGINE}END
}}
# The script of a run that was killed may still be at work; it ends with the image, which is taken then.
exec 9>/run/skep-base.{sha256(tag)[:16]}.lock
flock -w {LOCK_WAIT} 9
if engine 'GET /images/{quote_path(tag, safe="/:")}/json' >/dev/null 2>&1; then
    echo "made already, by a run that was killed before it pushed it"
    exit 0
fi
work=$(mktemp -d /var/tmp/skep-base.XXXXXX)
trap 'rm -rf "$work"' EXIT INT TERM
# What a killed run left behind.
find /var/tmp -maxdepth 1 -name 'skep-base.*' ! -path "$work" -mmin +120 -exec rm -rf {{}} +
root=$work/root
# A host that is a container keeps the base that its own image was made from: the same as long as the release is.
kept={KEPT_BASES}/$suite
if [ -z {quote(extra)} ] && [ -s "$kept.tar.gz" ] && [ -s "$kept.release" ] &&
    /usr/lib/apt/apt-helper download-file "${{mirror%/}}/dists/$suite/InRelease" "$work/release" >/dev/null 2>&1 &&
    [ "$(sha256sum <"$work/release" | cut -c1-64) $mirror" = "$(cat "$kept.release")" ]; then
    echo "taking the base that the host's image was made from: the mirror has the same release"
    if engine {create} cat "$kept.tar.gz"; then exit 0; fi
    echo "the engine does not take it: running debootstrap"
fi
debootstrap --variant=minbase {extra} "$suite" "$root" "$mirror"
case $mirror in
*ubuntu*) for part in "$suite" "$suite-updates" "$suite-security"; do
    echo "deb $mirror $part main universe"; done >"$root/etc/apt/sources.list" ;;
*) echo "deb $mirror $suite main" >"$root/etc/apt/sources.list"
{DEBIAN};;
esac
rm -rf "$work/root/var/cache/apt/archives/"*.deb "$work/root/var/lib/apt/lists/"* "$work/root/var/log/"*.log
: >"$work/root/etc/machine-id"
engine {create} tar -C "$work/root" --numeric-owner --one-file-system -c .
"""
