"""`deploy` of a compose service, and the keys beside it that say the same: `restart`, `scale`, `cpus`."""

import re
from collections.abc import Mapping
from typing import Any

from model.compose.keys import DEPLOY, SERVICE, why_not
from model.compose.scalars import duration, number, size, text, texts
from model.compose.scope import Scope

_TIMES = ("delay", "monitor", "window")
_POLICY = ("condition", "delay", "max_attempts", "window")
_ROLLOUT = ("parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order")
_LIMITS = {
    ("limits", "cpus"): "cpu_limit",
    ("limits", "memory"): "mem_limit",
    ("reservations", "cpus"): "cpu_reservation",
    ("reservations", "memory"): "mem_reservation",
}
_ELSEWHERE = ("node.hostname", "node.id", "node.ip")
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386", "arm": "armv7l"}


def add_deploy(scope: Scope) -> None:
    """Add what compose says of how a service is run."""
    deploy, table = scope.deploy, scope.table
    if scope.mode != "replicated":
        table["mode"] = scope.mode
    replicas = number(deploy.get("replicas", scope.source.get("scale")))
    if replicas is not None and not scope.is_global:
        table["replicas"] = replicas
    elif replicas is not None:
        scope.lost("replicas", replicas, "a global service has a task on each host")
    profiles = set(texts(scope.source.get("profiles")))
    active = (scope.draft.variables.value("COMPOSE_PROFILES") or "").replace(" ", "").split(",")
    if profiles and "*" not in active and not profiles & set(active):
        if scope.is_global:
            scope.lost(
                "profiles", sorted(profiles), "compose starts it only when it is asked to; here it runs"
            )
        else:
            table["replicas"] = 0
            names = ", ".join(sorted(profiles))
            scope.note(f"profiles: {names} -- compose starts it only when it is asked to: hence replicas = 0")
    if deploy.get("endpoint_mode"):
        table["endpoint_mode"] = text(deploy["endpoint_mode"])
    if deploy.get("labels"):
        table["labels"] = {key: text(value) for key, value in deploy["labels"].items()}
    _add_placement(scope)
    _add_resources(scope)
    _add_restarts(scope)
    for key in ("update_config", "rollback_config"):
        if deploy.get(key):
            table[key] = _settings(scope, f"deploy.{key}", deploy[key], _ROLLOUT)
    for key, value in deploy.items():
        if key not in {"placement", "resources", "restart_policy", "update_config", "rollback_config"} and (
            reason := why_not(DEPLOY, key)
        ):
            scope.lost(f"deploy.{key}", value, reason)


def _settings(scope: Scope, path: str, given: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    """Return a table of settings whose keys are the same here."""
    made: dict[str, Any] = {}
    for key, value in given.items():
        if key not in known:
            scope.lost(f"{path}.{key}", value, "it is no key of compose's that skep knows")
        elif value is not None:
            plain = scope.plain(value)
            is_word = key in {"condition", "failure_action", "order"}
            made[key] = duration(plain) if key in _TIMES else text(plain) if is_word else number(plain)
    return made


def _add_placement(scope: Scope) -> None:
    """Add the constraints. The hosts have other names here, and all of them are managers."""
    placement = dict(scope.deploy.get("placement") or {})
    constraints: list[str] = []
    for item in placement.pop("constraints", None) or []:
        constraint = text(item)
        found = re.fullmatch(r"\s*([\w.-]+)\s*(==|!=|=)\s*(.*?)\s*", scope.plain(constraint))
        key = found[1].lower() if found else ""
        if key in _ELSEWHERE:
            scope.lost(
                "deploy.placement.constraints",
                constraint,
                "hosts are hive0, hive1, … here: node.hostname == hive0",
            )
        elif found and key == "node.role" and (found[3] == "worker") == (found[2] != "!="):
            scope.lost(
                "deploy.placement.constraints",
                constraint,
                "all hosts are managers; node_labels tell them apart",
            )
        else:
            constraints.append(constraint)
    if platform := scope.source.get("platform"):
        system, _, machine = text(platform).partition("/")
        machine = machine.partition("/")[0]
        constraints.append(f"node.platform.os == {system}")
        if machine:
            constraints.append(f"node.platform.arch == {_ARCHITECTURES.get(machine, machine)}")
    made: dict[str, Any] = {"constraints": list(dict.fromkeys(constraints))} if constraints else {}
    preferences = placement.pop("preferences", None) or []
    if preferences:
        made["preferences"] = [
            text(item.get("spread")) if isinstance(item, Mapping) else text(item) for item in preferences
        ]
    if (most := placement.pop("max_replicas_per_node", None)) is not None:
        made["max_replicas_per_node"] = number(scope.plain(most))
    for key, value in placement.items():
        scope.lost(f"deploy.placement.{key}", value, "it is no key of compose's that skep knows")
    if made:
        scope.table["placement"] = made


def _add_resources(scope: Scope) -> None:
    """Add limits and reservations."""
    resources = scope.deploy.get("resources") or {}
    found: dict[str, Any] = {}
    for kind, part in resources.items():
        for key, value in (part or {}).items() if isinstance(part, Mapping) else ():
            where = _LIMITS.get((str(kind), str(key)))
            if where and value is not None:
                found[where] = scope.plain(value)
            elif not where:
                reason = why_not(DEPLOY, f"resources.{kind}.{key}") or SERVICE["pids_limit"].remark
                scope.lost(f"deploy.resources.{kind}.{key}", value, reason)
    for key, where in {
        "cpus": "cpu_limit",
        "mem_limit": "mem_limit",
        "mem_reservation": "mem_reservation",
    }.items():
        value = scope.source.get(key)
        if value is not None and where in found:
            scope.lost(key, value, "deploy.resources says it as well")
        elif value is not None:
            found[where] = value
    for key, value in found.items():
        if text(value) in {"0", "0b"}:  # no limit
            continue
        scope.table[key] = size(value) if key.startswith("mem") else number(value)


def _add_restarts(scope: Scope) -> None:
    """Add when a task is started again. In compose a container without `restart` is not; in a swarm all are."""
    policy = scope.deploy.get("restart_policy")
    restart = text(scope.source.get("restart"))
    if policy:
        scope.table["restart_config"] = _settings(scope, "deploy.restart_policy", policy, _POLICY)
        if restart:
            scope.lost("restart", restart, "deploy.restart_policy says it as well")
    elif restart in {"no", "false"}:
        scope.table["restart_config"] = {"condition": "none"}
    elif restart.startswith("on-failure"):
        attempts = restart.partition(":")[2]
        scope.table["restart_config"] = {"condition": "on-failure"} | (
            {"max_attempts": number(attempts)} if attempts else {}
        )
    elif restart not in {"", "always", "unless-stopped"}:
        scope.lost("restart", restart, "is none of no, always, on-failure, unless-stopped")
