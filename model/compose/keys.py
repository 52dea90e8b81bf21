"""Compose's keys and where each goes in site.toml; docs/from-compose.md has the same table, which a test holds.

The keys are those of the compose specification (schema/compose-spec.json) and of stack files (docker/cli,
cli/compose/schema/data/config_schema_v3.13.json).
"""

from collections.abc import Mapping
from dataclasses import dataclass

_SWARM = "the swarm has no such setting for services"
_NONE = "skep has no such thing yet"


@dataclass(frozen=True)
class ComposeKey:
    """A key of a compose file.

    Args:
        goes_to: Where it goes in site.toml; empty where nothing there says it.
        remark: What is to know about it; without `goes_to` the reason.

    """

    goes_to: str = ""
    remark: str = ""


SERVICE: Mapping[str, ComposeKey] = {
    "annotations": ComposeKey("", _SWARM),
    "attach": ComposeKey("", "services run in the background"),
    "blkio_config": ComposeKey("", _SWARM),
    "build": ComposeKey("[images.<service>] build", "`image` then names that table"),
    "cap_add": ComposeKey("cap_add"),
    "cap_drop": ComposeKey("cap_drop"),
    "cgroup": ComposeKey("", _SWARM),
    "cgroup_parent": ComposeKey("", _SWARM),
    "command": ComposeKey("command", "a text becomes the list of its words, as in compose"),
    "configs": ComposeKey("configs"),
    "container_name": ComposeKey("networks[].aliases", "a container has a name of its own for each task"),
    "cpu_count": ComposeKey("", "it is for Windows"),
    "cpu_percent": ComposeKey("", "it is for Windows"),
    "cpu_period": ComposeKey("", "the swarm has no such setting: cpu_limit says the same"),
    "cpu_quota": ComposeKey("", "the swarm has no such setting: cpu_limit says the same"),
    "cpu_rt_period": ComposeKey("", _SWARM),
    "cpu_rt_runtime": ComposeKey("", _SWARM),
    "cpu_shares": ComposeKey("", "the swarm has no shares: cpu_limit and cpu_reservation say how much"),
    "cpus": ComposeKey("cpu_limit", "unless `deploy.resources.limits` has it"),
    "cpuset": ComposeKey("", _SWARM),
    "credential_spec": ComposeKey("", "it is for Windows"),
    "depends_on": ComposeKey("depends_on", "skep waits until a service runs and is healthy"),
    "deploy": ComposeKey("the service itself", "see below"),
    "develop": ComposeKey("", "it is for development with `docker compose watch`"),
    "device_cgroup_rules": ComposeKey("", _SWARM),
    "devices": ComposeKey("", _SWARM),
    "dns": ComposeKey("dns"),
    "dns_opt": ComposeKey("dns_options"),
    "dns_search": ComposeKey("dns_search"),
    "domainname": ComposeKey("hostname", "added to it"),
    "entrypoint": ComposeKey("entrypoint", "a text becomes the list of its words, as in compose"),
    "env_file": ComposeKey("env_file", "a file with variables in its values goes to `environment`"),
    "environment": ComposeKey("environment", "a name without a value gets that of the shell or `.env`"),
    "expose": ComposeKey("", "services in a network reach all of each other's ports"),
    "extends": ComposeKey("the service itself", "the keys of both, merged"),
    "external_links": ComposeKey("", "services in a network find each other by name"),
    "extra_hosts": ComposeKey("hosts", "a swarm has no `host-gateway`"),
    "gpus": ComposeKey("", _SWARM),
    "group_add": ComposeKey("", _NONE),
    "healthcheck": ComposeKey("healthcheck", "see below"),
    "hostname": ComposeKey("hostname"),
    "image": ComposeKey(
        "image",
        "without a tag it gets `:latest`; one that is built here is called as its table",
    ),
    "init": ComposeKey("init"),
    "ipc": ComposeKey("", _SWARM),
    "isolation": ComposeKey("", "it is for Windows"),
    "label_file": ComposeKey("container_labels"),
    "labels": ComposeKey("container_labels", "`deploy.labels` are the service's"),
    "links": ComposeKey("networks[].aliases", "of the other service; its own name needs no link"),
    "logging": ComposeKey("logging"),
    "mac_address": ComposeKey("", _SWARM),
    "mem_limit": ComposeKey("mem_limit", "unless `deploy.resources.limits` has it"),
    "mem_reservation": ComposeKey("mem_reservation", "unless `deploy.resources.reservations` has it"),
    "mem_swappiness": ComposeKey("", _SWARM),
    "memswap_limit": ComposeKey("", _SWARM),
    "models": ComposeKey("", _NONE),
    "network_mode": ComposeKey("networks = ['host']", "`host` alone; a swarm has no other mode"),
    "networks": ComposeKey("networks", "see below"),
    "oom_kill_disable": ComposeKey("", _SWARM),
    "oom_score_adj": ComposeKey("", _SWARM),
    "pid": ComposeKey("", _SWARM),
    "pids_limit": ComposeKey("", _NONE),
    "platform": ComposeKey("placement.constraints", "on `node.platform.os` and `node.platform.arch`"),
    "ports": ComposeKey("ports", "see below"),
    "post_start": ComposeKey("", "initialize_roles run in the container once it is up"),
    "pre_stop": ComposeKey("", _SWARM),
    "privileged": ComposeKey("", f"{_SWARM}; single rights are cap_add"),
    "profiles": ComposeKey("replicas = 0", "unless `COMPOSE_PROFILES` has it"),
    "provider": ComposeKey("", "it is made by a program of its own, and is no container"),
    "pull_policy": ComposeKey("", "images run by their digest"),
    "pull_refresh_after": ComposeKey("", "images run by their digest"),
    "read_only": ComposeKey("read_only"),
    "restart": ComposeKey("restart_config", "unless there is `deploy.restart_policy`"),
    "runtime": ComposeKey("", _SWARM),
    "scale": ComposeKey("replicas"),
    "secrets": ComposeKey("secrets", "with mode 0444, which is Docker's default"),
    "security_opt": ComposeKey("", _SWARM),
    "shm_size": ComposeKey("shm_size"),
    "stdin_open": ComposeKey("", _NONE),
    "stop_grace_period": ComposeKey("stop_grace_period"),
    "stop_signal": ComposeKey("stop_signal"),
    "storage_opt": ComposeKey("", _SWARM),
    "sysctls": ComposeKey("sysctls"),
    "tmpfs": ComposeKey("volumes", 'of `type = "tmpfs"`'),
    "tty": ComposeKey("tty"),
    "ulimits": ComposeKey("ulimits"),
    "use_api_socket": ComposeKey("", _NONE),
    "user": ComposeKey("user"),
    "userns_mode": ComposeKey("", _SWARM),
    "uts": ComposeKey("", _SWARM),
    "volumes": ComposeKey("volumes", "see below"),
    "volumes_from": ComposeKey("", "both services may name the same volume"),
    "working_dir": ComposeKey("working_dir"),
}
DEPLOY: Mapping[str, ComposeKey] = {
    "endpoint_mode": ComposeKey("endpoint_mode"),
    "labels": ComposeKey("labels"),
    "mode": ComposeKey("mode"),
    "placement.constraints": ComposeKey("placement.constraints", "the hosts' names are other ones here"),
    "placement.max_replicas_per_node": ComposeKey("placement.max_replicas_per_node"),
    "placement.preferences": ComposeKey("placement.preferences"),
    "replicas": ComposeKey("replicas"),
    "resources.limits.cpus": ComposeKey("cpu_limit"),
    "resources.limits.memory": ComposeKey("mem_limit"),
    "resources.limits.pids": ComposeKey("", _NONE),
    "resources.reservations.cpus": ComposeKey("cpu_reservation"),
    "resources.reservations.devices": ComposeKey("", _NONE),
    "resources.reservations.generic_resources": ComposeKey("", _NONE),
    "resources.reservations.memory": ComposeKey("mem_reservation"),
    "restart_policy": ComposeKey("restart_config", "the same keys"),
    "rollback_config": ComposeKey("rollback_config", "the same keys"),
    "update_config": ComposeKey("update_config", "the same keys; without them skep's defaults count"),
}
HEALTHCHECK: Mapping[str, ComposeKey] = {
    "disable": ComposeKey("healthcheck.test", "`['NONE']`"),
    "interval": ComposeKey("healthcheck.interval"),
    "retries": ComposeKey("healthcheck.retries"),
    "start_interval": ComposeKey("healthcheck.start_interval"),
    "start_period": ComposeKey("healthcheck.start_period"),
    "test": ComposeKey("healthcheck.test"),
    "timeout": ComposeKey("healthcheck.timeout"),
}
BUILD: Mapping[str, ComposeKey] = {
    "additional_contexts": ComposeKey("", _NONE),
    "args": ComposeKey("build.args"),
    "cache_from": ComposeKey("", "the repository host keeps the builder's cache"),
    "cache_to": ComposeKey("", "the repository host keeps the builder's cache"),
    "context": ComposeKey("build.context", "a directory of this machine; not a URL"),
    "dockerfile": ComposeKey("build.dockerfile"),
    "dockerfile_inline": ComposeKey("build.dockerfile", "a file that is made beside site.toml"),
    "entitlements": ComposeKey("", _NONE),
    "extra_hosts": ComposeKey("", _NONE),
    "isolation": ComposeKey("", "it is for Windows"),
    "labels": ComposeKey("[images.<service>] labels"),
    "network": ComposeKey("", "builds use the network of the repository host"),
    "no_cache": ComposeKey("", "max_age of an image builds it anew that often"),
    "platforms": ComposeKey("", _NONE),
    "privileged": ComposeKey("", _NONE),
    "provenance": ComposeKey("", _NONE),
    "pull": ComposeKey("", "max_age of an image builds it anew that often"),
    "sbom": ComposeKey("", _NONE),
    "secrets": ComposeKey("[images.<service>] secrets"),
    "shm_size": ComposeKey("", _NONE),
    "ssh": ComposeKey("", _NONE),
    "tags": ComposeKey("", "images have the names of their tables"),
    "target": ComposeKey("build.target"),
    "ulimits": ComposeKey("", _NONE),
}
NETWORK: Mapping[str, ComposeKey] = {
    "attachable": ComposeKey("attachable"),
    "driver": ComposeKey("", "all networks of a swarm are overlay networks"),
    "driver_opts": ComposeKey("driver_opts", "`encrypted` is a key of its own"),
    "enable_ipv4": ComposeKey("", "overlay networks have IPv4"),
    "enable_ipv6": ComposeKey("", "overlay networks of the swarm have IPv4"),
    "external": ComposeKey("external"),
    "internal": ComposeKey("internal"),
    "ipam": ComposeKey("ipam"),
    "labels": ComposeKey("labels"),
    "name": ComposeKey("name", "of an external network"),
}
VOLUME: Mapping[str, ComposeKey] = {
    "driver": ComposeKey("driver"),
    "driver_opts": ComposeKey("driver_opts"),
    "external": ComposeKey("external"),
    "labels": ComposeKey("labels"),
    "name": ComposeKey("name", "of an external volume"),
}
SECRET: Mapping[str, ComposeKey] = {
    "driver": ComposeKey("", _NONE),
    "driver_opts": ComposeKey("", _NONE),
    "environment": ComposeKey("env"),
    "external": ComposeKey("file", "Docker gives no secret back: put its value into that file"),
    "file": ComposeKey("file"),
    "labels": ComposeKey("", _NONE),
    "name": ComposeKey("", "secrets are named by their content"),
    "template_driver": ComposeKey("", _NONE),
}
CONFIG: Mapping[str, ComposeKey] = {
    "content": ComposeKey("text", "a template, if it has variables"),
    "environment": ComposeKey("text", "a template"),
    "external": ComposeKey("external"),
    "file": ComposeKey("file", "with `template = false` where it has braces"),
    "labels": ComposeKey("", _NONE),
    "name": ComposeKey("name", "of an external config"),
    "template_driver": ComposeKey("template_driver"),
}
TOP: Mapping[str, ComposeKey] = {
    "configs": ComposeKey("[configs]"),
    "include": ComposeKey("the tables", "what the files have, beside each other"),
    "models": ComposeKey("", _NONE),
    "name": ComposeKey("site", "as far as it is a DNS name"),
    "networks": ComposeKey("[networks]"),
    "secrets": ComposeKey("[secrets]"),
    "services": ComposeKey("[services]"),
    "version": ComposeKey("", "it means nothing any more"),
    "volumes": ComposeKey("[volumes]"),
}
SECTIONS: Mapping[str, Mapping[str, ComposeKey]] = {
    "The file": TOP,
    "A service": SERVICE,
    "deploy": DEPLOY,
    "healthcheck": HEALTHCHECK,
    "build": BUILD,
    "A network": NETWORK,
    "A volume": VOLUME,
    "A secret": SECRET,
    "A config": CONFIG,
}
"""The tables of docs/from-compose.md, by their headings."""


def why_not(section: Mapping[str, ComposeKey], key: str) -> str:
    """Return why a key goes nowhere in site.toml; empty if it goes somewhere."""
    known = section.get(key)
    if key.startswith("x-"):
        return "an extension, which means nothing to Docker"
    if known is None:
        return "it is no key of compose's that skep knows"
    return "" if known.goes_to else known.remark
