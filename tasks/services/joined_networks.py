"""The networks that a service joins. One that names none keeps those that there were when it was first deployed.

So a network that is added changes no service that did not ask for it. As with ports that site.toml leaves open, what
was chosen is on the service itself, and read back from there when `state/` is gone.
"""

from collections.abc import Mapping
from typing import Any

from model import site as types
from model.keys.record import FactRecord
from model.labels import DISCONNECTED_LABEL, labels_of
from model.stage import Stage
from tasks.names import network_task, service_task
from tasks.observe.states import SwarmState
from tasks.run.context import Run
from tasks.run.state import State

_INPUT = "network."

Aliases = dict[str, list[str]]


def recorded_networks(stage: Stage, state: State, name: str) -> Aliases:
    """Return the networks that a service joins as far as `state/` knows, each with its further names there."""
    service = stage.services[name]
    if service.networks:
        return service.networks
    last = state.last_inputs(service_task(name))
    joined = {key.removeprefix(_INPUT).partition("[")[0] for key in last if key.startswith(_INPUT)}
    return _kept(stage, joined)


def joined_networks(run: Run, name: str, service: types.Service) -> Aliases:
    """Return the networks that a service joins: those that it names, else those that it is in.

    In a run or plan the swarm knows best, since another checkout may have deployed the service.
    """
    stage = run.stage
    if service.networks or len(stage.networks) == 1:
        return stage.networks_of(service)
    if run.observer.is_looking and (found := run.live_state.swarm.services.get(name)) is not None:
        joined = networks_in(found, run.live_state.swarm)
        made = {each for each in joined if run.state.read(network_task(each), FactRecord) is not None}
        if made & stage.networks.keys():
            return _kept(stage, made)
    return recorded_networks(stage, run.state, name)


def networks_in(service: Mapping[str, Any], swarm: SwarmState) -> set[str]:
    """Return the names of the networks that a service of the swarm is in, or was before one of them was replaced."""
    targets = {joined["Target"] for joined in service["Spec"]["TaskTemplate"].get("Networks") or ()}
    aside = {
        label.removeprefix(DISCONNECTED_LABEL)
        for label in labels_of(service)
        if label.startswith(DISCONNECTED_LABEL)
    }
    return aside | {name for name, network in swarm.networks.items() if network["Id"] in targets}


def _kept(stage: Stage, joined: set[str]) -> Aliases:
    """Return those networks of a stage that a service is in; all, if it is in none."""
    return {name: [] for name in stage.networks if name in joined} or {name: [] for name in stage.networks}
