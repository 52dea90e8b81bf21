"""Keys that people bring from compose files and from hive-builder, and what to write here instead.

The keys are those of the compose specification (https://github.com/compose-spec/compose-spec/blob/main/05-services.md)
and of hive-builder's inventory. Pure.
"""

from collections.abc import Mapping
from typing import get_args

from model.site_file.foreign_values import value_of_key
from model.site_file.tables import StageTable

_NONE = "skep has no such thing yet"
_SWARM = "the swarm has no such setting for services"
_INSTEAD: Mapping[str, Mapping[str, str]] = {
    "ServiceTable": {
        # compose
        "cpu_count": "write cpu_limit",
        "cpu_percent": "write cpu_limit",
        "cpu_period": "write cpu_limit, the number of CPUs: quota divided by period",
        "cpu_quota": "write cpu_limit, the number of CPUs: quota divided by period",
        "cpu_rt_period": _SWARM,
        "cpu_rt_runtime": _SWARM,
        "develop": "leave it out: a run builds the image anew when its files have changed",
        "generic_resources": _NONE,
        "isolation": "it is for Windows",
        "label_file": "write labels, or container_labels",
        "limits": "write cpu_limit and mem_limit",
        "models": _NONE,
        "pids": _NONE,
        "pre_stop": _NONE,
        "provider": _NONE,
        "pull_refresh_after": "leave it out: images run by their digest, and doit lock upgrade moves it",
        "reservations": "write cpu_reservation and mem_reservation",
        "resources": "write cpu_limit, mem_limit, cpu_reservation, mem_reservation",
        "use_api_socket": "write volumes = [{ type = 'bind', source = '/var/run/docker.sock', target = "
        "'/var/run/docker.sock' }]",
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
    },
    "ImageTable": {
        "context": "write build = '…', the directory with the Dockerfile",
        "cmd": "write command",
        "env_file": "write env; a service has env_file",
        "image": "write from",
        "platform": _NONE,
        "ports": "write expose; a service publishes ports",
        "pull": "write max_age, which builds it anew that often",
        "run": "write roles: a role's setup.sh has the commands",
        "tags": "leave it out: images have the names of their tables",
        "volumes": "write volumes in the service",
        "workdir": "write working_dir",
        "args": "write build = { context = '…', args = { … } }",
        "dockerfile": "write build = { context = '…', dockerfile = '…' }",
        "environment": "write env",
        "target": "write build = { context = '…', target = '…' }",
    },
    "Build": {
        "entitlements": _NONE,
        "isolation": "it is for Windows",
        "provenance": _NONE,
        "sbom": _NONE,
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
    "BackupScriptTable": {
        "ext": "leave it out: a generation has what a command wrote as <name>.dump",
    },
    "HealthcheckTable": {
        "disable": "write test = ['NONE']",
    },
    "Volume": {
        "available_on": "leave it out: a stage has the volumes that its services mount",
        "device": "write driver_opts = { device = '…' }",
        "fstype": "write driver_opts = { type = '…', device = '…' }",
        "o": "write driver_opts = { o = '…' }",
        "source": "a host's directory is mounted in the service: volumes = [{ type = 'bind', source = '…', target = "
        "'…' }]",
        "drbd": f"{_NONE}: name the hosts that have the data in hosts, or a shared file system in driver_opts",
        "nfs": "a stage's nfs = true makes the file system of a cloud; the volume mounts it with driver_opts = "
        "{ type = 'nfs', o = 'addr={{ nfs.server }}', device = ':{{ nfs.path }}' }",
        "type": "write driver_opts = { type = '…' }; bind and tmpfs are written in a service's volumes",
        "size": "a local volume has no size of its own",
    },
    "MountTable": {
        "destination": "write target",
        "dst": "write target",
        "image": _NONE,
        "ro": "write readonly",
        "src": "write source",
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
        "available_on": "leave it out: services of a stage join it, or not",
        "enable_ipv4": "leave it out: overlay networks of the swarm have IPv4",
        "gateway": "write ipam = { subnet = '…', gateway = '…' }",
        "ingress": "the swarm's own network for ports is no table: a stage's internal_cidr has its addresses",
        "mtu": "write driver_opts = { 'com.docker.network.driver.mtu' = '…' }",
        "scope": "leave it out: all networks of a swarm are of its scope",
        "driver": "leave it out: all networks of a swarm are overlay networks",
        "enable_ipv6": "overlay networks of the swarm have IPv4",
        "ips": "an overlay network has its addresses in ipam = { subnet = '…' }; those of hosts are ip_address_list "
        "of a stage",
        "subnet": "write ipam = { subnet = '…' }",
    },
    "ServiceNetwork": {
        "gw_priority": _SWARM,
        "interface_name": _SWARM,
        "link_local_ips": _SWARM,
        "mac_address": _SWARM,
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
    "Generated": {
        "bytes": "write hex or base64, with the number of bytes",
        "length": "write generate = <length>",
        "type": "write key_pair",
    },
    "Pool": {
        "aux_addresses": "leave it out: the swarm gives tasks their addresses; ip_range keeps them off others",
    },
    "RoleUse": {
        "name": "write role",
    },
    "Placement": {
        "max_replicas": "write max_replicas_per_node",
    },
    "Logging": {
        "opts": "write options",
    },
    "SecretSource": {
        "driver": _NONE,
        "driver_opts": _NONE,
        "labels": "leave it out: secrets have skep's own labels",
        "password": "a secret is in no site.toml: write file, env or command",
        "path": "write file",
        "template_driver": "it is for configs: a config may have secrets in it",
        "value": "a secret is in no site.toml: write file, env or command",
        "environment": "write env",
        "name": "leave it out: secrets are named by their content",
        "external": "Docker gives no secret back, so skep makes them itself: write file, env, command or generate",
        "text": "a secret is in no site.toml: write file, env or command",
    },
    "Config": {
        "environment": "write text, which may be a template; a secret with env may be in it",
        "labels": "leave it out: configs have skep's own labels",
        "mode": "write it where a service names the config: configs = [{ source = '…', mode = '…' }]",
        "target": "write it where a service names the config: configs = [{ source = '…', target = '…' }]",
        "content": "write text",
    },
    "SiteTable": {
        "available_on": "write it in each service",
        "include": "leave it out: a site is one file",
        "models": _NONE,
        "version": "leave it out: it is compose's",
        "name": "write site",
        "plugin": "leave it out: it is hive-builder's",
        "service": "write [services.<name>]",
        "image": "write [images.<name>]",
        "backup_scripts": "write [backup], and backup_scripts in a service",
    },
    "SetupHosts": {
        "locale": _NONE,
        "packages": _NONE,
    },
}
"""A table's type, to its keys of elsewhere and what to say of each."""
_STAGE: Mapping[str, str] = {
    "az_suffix_list": "write available_zones",
    "backup_scripts": "write [backup], and backup_scripts in a service",
    "context_dir": f"{_NONE}: each stage has its own repository",
    "drbd_download_url": f"{_NONE}: there is no DRBD here",
    "filestore_cidr": "leave it out: Google chooses the addresses of Filestore",
    "image_name": "write the provider's own key for it (host_image, box)",
    "internal_cidr_v6": f"{_NONE}: Docker's networks have IPv4",
    "kernel_version": "hosts keep the kernel of their distribution",
    "kickstart_config": "write its keys in the stage itself",
    "mirrored_disk_devices": f"{_NONE}: there is no DRBD here",
    "mirrored_disk_encrypted": f"{_NONE}: there is no DRBD here",
    "name": "the stage's name is that of its table, [stages.<name>]; the site's is site",
    "nameservers": "write setup_hosts.daemon = { dns = […] } for containers; hosts have those of their network",
    "not_support_az": "write available_zones, or subnets, with one zone only",
    "prepared_resource_group": f"{_NONE}: the stage has a resource group of its own",
    "repository_disk_encrypted": "write disk_encrypted, which is for all hosts",
    "shared_repository": f"{_NONE}: each stage has its own repository",
    "stage": "the stage's name is that of its table, [stages.<name>]",
}
"""The same for the stages of all providers."""


_HIVE = "hive_"
_VARIABLES: Mapping[str, str] = {
    "hive_ca_cert": f"{_NONE}: each stage has a CA of its own",
    "hive_ca_key": f"{_NONE}: each stage has a CA of its own",
    "hive_default_network": "leave it out: services that name no networks join those that are there when they are "
    "first deployed, one called site if there are none",
    "hive_ec2_group_rules": "write ports in services: the clouds' firewalls follow",
    "hive_ext_repositories": "write [registries.'<name>'] with user and password",
    "hive_gcp_ssh_source_range": "write ssh_source_ips in the stage",
    "hive_locale": _NONE,
    "hive_mirrored_disk_devices": f"{_NONE}: there is no DRBD here",
    "hive_no_mirrored_device": "leave it out: there is no DRBD here",
    "hive_ntp_servers": "write ntp_servers in [setup_hosts]",
    "hive_safe_sshd_port": "write ssh_port in a stage of provider prepared",
    "hive_ssh_source_ips": "write ssh_source_ips in the stage",
    "hive_swarm_mode": "leave it out: all hives are managers",
    "hive_timezone": "write timezone in [setup_hosts]",
    "hive_user_groups": "write groups in [setup_hosts.users.<name>]",
    "hive_users": "write [setup_hosts.users.<name>]",
    "hive_vip": _NONE,
    "hive_yum_url": "write the provider's own key for it (mirror)",
}
"""hive-builder's variables, wherever they are written."""
_ELSEWHERE = "x-"
"""How keys begin that compose leaves to others."""


def instead(table: str, key: str, value: object = None) -> str:
    """Return what to write instead of a key of elsewhere, as the end of a message; empty if it is not known.

    Args:
        table: The name of its table's type.
        key: The key.
        value: Its value.

    """
    said = value_of_key(table, key, value) or _INSTEAD.get(table, {}).get(key, "")
    if not said and table in STAGES:
        said = _STAGE.get(key, "") or _of_others(key)
    if not said and key.startswith(_HIVE):
        said = _VARIABLES.get(
            key, "it is a variable of hive-builder's: those of your own templates are in [vars]"
        )
    if not said and key.startswith(_ELSEWHERE):
        said = "leave it out: what several tables have in common may be a template with [vars]"
    return f": {said}" if said else ""


STAGES = {type_.__name__: type_ for type_ in get_args(StageTable)}
"""The types of stages' tables, by their names."""


def _of_others(key: str) -> str:
    """Return which providers' stages have a key; empty if none has."""
    having = [type_ for type_ in STAGES.values() if key in type_.__struct_encode_fields__]
    providers = ", ".join(sorted(str(type_.__struct_config__.tag) for type_ in having))
    return f"stages of provider {providers} have it" if providers else ""
