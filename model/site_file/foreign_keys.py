"""Keys that people bring from compose files and from hive-builder, and what to write here instead.

The keys are those of the compose specification (https://github.com/compose-spec/compose-spec/blob/main/05-services.md)
and of hive-builder's inventory. Pure.
"""

from collections.abc import Mapping, Sequence

from model.toml_text import short_text, toml_text

_NONE = "skep has no such thing yet"
_SWARM = "the swarm has no such setting for services"
_INSTEAD: Mapping[str, Mapping[str, str]] = {
    "ServiceTable": {
        # compose
        "annotations": _SWARM,
        "attach": "leave it out: services run in the background",
        "blkio_config": _SWARM,
        "build": "write an image, [images.<name>] with build = '<directory>', and name it in image",
        "cgroup": _SWARM,
        "cgroup_parent": _SWARM,
        "container_name": "leave it out: others find the service by its own name",
        "cpu_shares": "the swarm has no shares: write cpu_limit and cpu_reservation",
        "cpuset": _SWARM,
        "cpus": "write cpu_limit",
        "credential_spec": "it is for Windows",
        "deploy": "its keys stand in the service itself: replicas, mode, placement, labels, update_config, "
        "rollback_config, restart_config (for restart_policy), cpu_limit, mem_limit, cpu_reservation, mem_reservation",
        "device_cgroup_rules": _SWARM,
        "devices": f"{_SWARM}; for a device of the host, a bind mount of its directory may do: volumes = "
        "[{ type = 'bind', source = '/dev/…', target = '/dev/…' }], which gives no right to use it",
        "dns_opt": "write dns_options",
        "domainname": "write the whole name in hostname",
        "env": "write environment",
        "expose": "leave it out: services in a network reach all of each other's ports; an image may have expose",
        "extends": "write the keys in each service; values in common may be templates with [vars]",
        "external_links": "services in a network find each other by name",
        "extra_hosts": "write hosts = { '<name>' = '<address>' }",
        "gpus": _SWARM,
        "group_add": _NONE,
        "ipc": _SWARM,
        "links": "services in a network find each other by name; further names are aliases in networks",
        "log_driver": "write logging = { driver = '…' }",
        "mac_address": _SWARM,
        "mem_swappiness": _SWARM,
        "memory": "write mem_limit",
        "memswap_limit": _SWARM,
        "network": "write networks = ['…']",
        "network_mode": "write networks = ['host'] for the host's network, else the names of [networks]",
        "oom_kill_disable": _SWARM,
        "oom_score_adj": _SWARM,
        "pid": _SWARM,
        "pids_limit": _NONE,
        "platform": "write placement.constraints = ['node.platform.arch == x86_64']",
        "post_start": "write initialize_roles, which run in the container once it is up",
        "privileged": f"{_SWARM}; single rights are cap_add, and standalone = true for a container with systemd",
        "profiles": "write available_on = ['<stage>']",
        "pull_policy": "leave it out: images run by their digest",
        "restart": "write restart_config = { condition = 'any' }",
        "restart_policy": "write restart_config",
        "runtime": _SWARM,
        "scale": "write replicas",
        "security_opt": _SWARM,
        "stdin_open": _NONE,
        "storage_opt": _SWARM,
        "tmpfs": "write volumes = [{ type = 'tmpfs', target = '…' }]",
        "userns_mode": _SWARM,
        "uts": _SWARM,
        "volume": "write volumes",
        "volumes_from": "name the same volume in both services",
        # hive-builder
        "backup_scripts": _NONE,
        "ignore_error": _NONE,
        "monitor_error": _NONE,
    },
    "ImageTable": {
        "args": "write build = { context = '…', args = { … } }",
        "dockerfile": "write build = { context = '…', dockerfile = '…' }",
        "environment": "write env",
        "target": "write build = { context = '…', target = '…' }",
    },
    "Build": {
        "additional_contexts": f"{_NONE}: FROM and COPY --from find images of the site and of [bases]",
        "cache_from": "leave it out: the repository host keeps the builder's cache",
        "cache_to": "leave it out: the repository host keeps the builder's cache",
        "dockerfile_inline": "write dockerfile, a file",
        "extra_hosts": _NONE,
        "labels": "write labels in the image",
        "network": "leave it out: builds use the network of the repository host",
        "no_cache": "write max_age in the image, which builds it anew that often",
        "path": "write context",
        "platforms": _NONE,
        "privileged": f"{_NONE} for Dockerfiles",
        "pull": "write max_age in the image, which builds it anew that often",
        "secrets": "write secrets in the image",
        "shm_size": _NONE,
        "ssh": f"{_NONE}: write secrets in the image, and mount them",
        "tags": "leave it out: images have the names of their tables",
        "ulimits": _NONE,
    },
    "HealthcheckTable": {
        "disable": "write test = ['NONE']",
        "start_interval": "it needs Docker Engine 25",
    },
    "Volume": {
        "drbd": f"{_NONE}: name the hosts that have the data in hosts, or a shared file system in driver_opts",
        "nfs": "a stage's nfs = true makes the file system of a cloud; the volume mounts it with driver_opts = "
        "{ type = 'nfs', o = 'addr={{ nfs.server }}', device = ':{{ nfs.path }}' }",
        "type": "write driver_opts = { type = '…' }; bind and tmpfs are written in a service's volumes",
        "size": "a local volume has no size of its own",
    },
    "MountTable": {
        "drbd": f"{_NONE}: write [volumes.<name>] with the hosts that have the data in hosts",
        "nfs": "write [volumes.<name>] with driver_opts of type 'nfs'",
        "driver": "write it in [volumes.<name>]",
        "driver_opts": "write it in [volumes.<name>]",
        "read_only": "write readonly",
        "bind": "write propagation = '…'",
        "volume": "write no_copy = true",
        "tmpfs": "write tmpfs_size and tmpfs_mode",
        "consistency": "leave it out: it means nothing on Linux",
    },
    "Network": {
        "driver": "leave it out: all networks of a swarm are overlay networks",
        "enable_ipv6": "overlay networks of the swarm have IPv4",
        "ips": "an overlay network has its addresses in ipam = { subnet = '…' }; those of hosts are ip_address_list "
        "of a stage",
        "subnet": "write ipam = { subnet = '…' }",
    },
    "ServiceNetwork": {
        "ipv4_address": "the swarm gives tasks their addresses: other services find it by its name",
        "ipv6_address": "the swarm gives tasks their addresses: other services find it by its name",
        "priority": _SWARM,
        "driver_opts": "write it in [networks.<name>]",
    },
    "PortMap": {
        "target": "write target_port",
        "published": "write published_port",
        "app_protocol": "leave it out: it means nothing to the swarm",
        "host_ip": "the swarm publishes a port on all addresses of a host: leave it out",
        "name": "leave it out",
    },
    "Placement": {
        "max_replicas": "write max_replicas_per_node",
    },
    "Logging": {
        "opts": "write options",
    },
    "SecretSource": {
        "environment": "write env",
        "name": "leave it out: secrets are named by their content",
        "external": "Docker gives no secret back, so skep makes them itself: write file, env, command or generate",
        "text": "a secret is in no site.toml: write file, env or command",
    },
    "Config": {
        "content": "write text",
    },
    "SiteTable": {
        "version": "leave it out: it is compose's",
        "name": "write site",
        "plugin": "leave it out: it is hive-builder's",
        "service": "write [services.<name>]",
        "image": "write [images.<name>]",
        "backup_scripts": _NONE,
    },
    "SetupHosts": {
        "locale": _NONE,
        "packages": _NONE,
    },
}
"""A table's type, to its keys of elsewhere and what to say of each."""
_STAGE: Mapping[str, str] = {
    "backup_scripts": _NONE,
    "drbd_download_url": f"{_NONE}: there is no DRBD here",
    "hive_vip": _NONE,
    "image_name": "write the provider's own key for it (host_image, image, box)",
    "internal_cidr_v6": f"{_NONE}: Docker's networks have IPv4",
    "kernel_version": "hosts keep the kernel of their distribution",
    "mirrored_disk_size": f"{_NONE}: there is no DRBD here",
    "mirrored_disk_encrypted": f"{_NONE}: there is no DRBD here",
    "repository_disk_encrypted": "write disk_encrypted, which is for all hosts",
    "shared_repository": f"{_NONE}: each stage has its own repository",
}
"""The same for the stages of all providers."""


def instead(table: str, key: str) -> str:
    """Return what to write instead of a key of elsewhere, as the end of a message; empty if it is not known.

    Args:
        table: The name of its table's type.
        key: The key.

    """
    said = _INSTEAD.get(table, _STAGE if table.endswith(("Stage", "StageTable")) else {}).get(key, "")
    return f": {said}" if said else ""


def value_instead(place: Sequence[str | int], value: object) -> str:
    """Return what to write instead of a value in a form of elsewhere, as the end of a message; else nothing.

    Args:
        place: The keys and indices that lead to it.
        value: The value.

    """
    said = ""
    match place, value:
        case ["services", str(name), "image"], dict():
            said = f"write these keys in [images.{name}], and image = {toml_text(name)} here"
        case ["services", _, "volumes", int()], str(text):
            said = f"write {_mount(text)}"
        case ["services", _, "depends_on"], dict() | str():
            said = f"write {short_text([value] if isinstance(value, str) else list(value))}"
        case ["services", _, "networks"], dict():
            said = f"write {short_text(list(value))}; its further names there: {{ name = '…', aliases = [] }}"
        case ["services", _, "healthcheck"], str() | list():
            said = f"write {{ test = {short_text(value)} }}"
        case ["services", _, "logging"], str(text):
            said = f"write {{ driver = {toml_text(text)} }}"
        case [("networks" | "volumes" | "secrets" | "configs" | "images" | "services") as table], list():
            name = value[0] if value and isinstance(value[0], str) else "<name>"
            said = f"write a table for each, as [{table}.{name}]"
    return f": {said}" if said else ""


def _mount(text: str) -> str:
    """Return a mount in compose's short form as a table."""
    source, target, *options = [*text.split(":"), ""][:3] if ":" in text else ["", text]
    made: dict[str, object] = {"source": source, "target": target} if source else {"target": target}
    if source.startswith(("/", ".", "~")):
        made = {"type": "bind", **made}
    if "ro" in ",".join(options).split(","):
        made["readonly"] = True
    volume = "" if source.startswith(("/", ".", "~")) else f", and [volumes.{source or '<name>'}]"
    return f"{toml_text(made)}{volume}"
