"""What the stage uses of others: networks and Docker configs of the swarm, volumes of its hosts. Reads only."""

from model.json_types import Json
from model.stage import Host, Stage
from remote.engine.reader import Reader
from tasks.observe.drift import Missing, Unknown
from tasks.observe.states import HostState, SwarmState


def externals_of_swarm(api: Reader, stage: Stage) -> tuple[dict[str, Json], dict[str, Json]]:
    """Return the networks and configs of the whole swarm by name, if the stage uses such of others."""
    networks = api.networks() if stage.external_networks else []
    configs = api.configs() if any(config.external for config in stage.configs.values()) else []
    return (
        {net["Name"]: net for net in networks if net.get("Scope") == "swarm"},
        {config["Spec"]["Name"]: config for config in configs},
    )


def external_volumes(engine: Reader, stage: Stage) -> frozenset[str]:
    """Return all volumes of a host, if the stage's services mount volumes of others."""
    if not any(volume.external for volume in stage.volumes.values()):
        return frozenset()
    return frozenset(volume["Name"] for volume in engine.volumes().get("Volumes") or ())


def network_drift(swarm: SwarmState, name: str, recorded: str) -> str | None:
    """Compare a network of others with the one that was recorded."""
    return _drift(swarm, "network", swarm.external_networks.get(name, {}).get("Id"), recorded)


def config_drift(swarm: SwarmState, name: str, recorded: str) -> str | None:
    """Compare a Docker config of others with the one that was recorded."""
    return _drift(swarm, "config", swarm.external_configs.get(name, {}).get("ID"), recorded)


def _drift(swarm: SwarmState, kind: str, found: str | None, recorded: str) -> str | None:
    """Compare the id of something that others made with the recorded one."""
    if swarm.error:
        return Unknown(swarm.error)
    if found is None:
        return Missing(f"the external {kind} is gone")
    return None if found == recorded else f"the external {kind} was made anew"


def volume_drift(host: Host, state: HostState, name: str) -> str | None:
    """Look for a volume of others on a host."""
    if state.error:
        return Unknown(state.error)
    if not state.info:
        return Unknown(f"{host.short}: its engine does not answer")
    return (
        None if name in state.external_volumes else Missing(f"the external volume is gone from {host.short}")
    )
