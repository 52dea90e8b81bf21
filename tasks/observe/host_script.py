"""The one script that reads a host's state by ssh, and its output. Pure."""

from model.keys.authorized_key import parse_keys
from remote.hostsetup import markers
from remote.hostsetup.removal import MANAGED_USERS
from remote.hostsetup.updates import READ_KEPT, parse_kept
from remote.images.registry_storage import TAGS
from remote.ssh import authorized_keys
from tasks.observe.states import HostState

_ACCOUNTS, _KEYS, _PACKAGES, _TAGS = "== accounts", "== ssh keys", "== packages", "== registry tags"
_LIST_ACCOUNTS = f"""
echo '{_ACCOUNTS}'
sed -n 's/^made //p' {MANAGED_USERS} 2>/dev/null || :
"""
_LIST_KEYS = f"""
echo '{_KEYS}'
( {authorized_keys.LIST})
"""
# The registry's own storage is one listing; its API would take one call per image.
_LIST_TAGS = f"""
echo '{_TAGS}'{TAGS}"""


def host_script(*, is_repository: bool) -> str:
    """Return the script that reads a host's state, on the repository host also the registry's tags."""
    # The first script may end early, where nothing is set up yet.
    script = f"( {markers.read_script()}){_LIST_ACCOUNTS}{_LIST_KEYS}{READ_KEPT}"
    return script + _LIST_TAGS if is_repository else script


def parse_host(output: str) -> HostState:
    """Return the state of a host without its engine's part."""
    output, _, tags = output.partition(_TAGS)
    output, _, packages = output.partition(_PACKAGES)
    output, _, keys = output.partition(_KEYS)
    steps, _, accounts = output.partition(_ACCOUNTS)
    return HostState(
        steps=markers.parse(steps),
        accounts=tuple(accounts.split()),
        tags=_tags(tags),
        authorized_keys=parse_keys(keys.splitlines()),
        packages=parse_kept(packages),
    )


def _tags(text: str) -> frozenset[str]:
    """Return `repository:tag` for each link file of the registry's storage."""
    tags = set()
    for line in text.split():
        repository, _, rest = line.removeprefix("./").partition("/_manifests/tags/")
        if rest:
            tags.add(f"{repository}:{rest.removesuffix('/current/link')}")
    return frozenset(tags)
