"""Phase 6: services with their files, each service by its image's digest, waited for until it runs."""

from collections.abc import Collection, Iterator

from model.errors import SkepError
from model.labels import label_filter
from model.log import Log
from tasks.cleanup.inventory import Inventory
from tasks.cleanup.removing import each
from tasks.phase import Phase
from tasks.run.context import Run
from tasks.services import secrets_configs
from tasks.services.deployed_service import DeployedService
from tasks.services.orphans import orphans
from tasks.services.port_allocation import PublishedPorts
from tasks.services.published_ports import leaves_ports_open
from tasks.step import Step


def steps(run: Run) -> Iterator[Step]:
    """Yield a step for each secret, each config and each service of the stage."""
    if leaves_ports_open(run.stage):
        yield PublishedPorts(run)
    yield from secrets_configs.steps(run)
    for name, service in run.stage.services.items():
        yield DeployedService(run, name, service)


def destroy(run: Run, there: Inventory, volumes: Collection[str], log: Log) -> list[str]:
    """Remove the stage's services, secrets and configs from a swarm that stays."""
    from remote.engine.client import engine_errors

    del volumes
    if there.owned:
        return []
    try:
        host, client = run.connections.manager()
    except SkepError as error:
        # Nothing is lost by it: what a swarm holds goes with its last node.
        log(f"{str(error).splitlines()[0].rstrip(':')}: its services, networks and secrets go with the swarm")
        return []
    api = client.api
    mine = label_filter(run.stage.labels)

    def clear(short: str) -> None:
        with engine_errors(short, "removing the stage's services"):
            for service in api.services(filters=mine):
                api.remove_service(service["ID"])
                log(f"removed service {service['Spec']['Name']}")
            for secret in api.secrets(filters=mine):
                api.remove_secret(secret["ID"])
                log(f"removed Docker secret {secret['Spec']['Name']}")
            for config in api.configs(filters=mine):
                if config["Spec"]["Name"] in run.stage.external_names["configs"]:
                    continue
                api.remove_config(config["ID"])
                log(f"removed Docker config {config['Spec']['Name']}")

    return each([host.short], clear, log)


PHASE = Phase("deploy_services", "deploy the services, and wait until they run", steps, orphans, destroy)
