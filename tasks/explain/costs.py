"""What costs money as long as it exists, and how much by a person's own prices. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from model.site import CloudStage
from model.stage import Stage
from providers.base import Resource

HEAD = "costs money while it exists"


@dataclass(frozen=True)
class Costs:
    """Amounts that cost money, by the unit of their price.

    Args:
        running: Those of hosts that run.
        standing: Those of what exists, be it stopped.

    """

    running: Mapping[str, int]
    standing: Mapping[str, int]


def _runs(_name: str) -> bool:
    """Return that a host runs, or will."""
    return True


def costs_of(resources: Iterable[Resource], runs: Callable[[str], bool] = _runs) -> Costs:
    """Return what costs money of some resources.

    Args:
        resources: Resources that exist, or will.
        runs: Whether a host runs, by its resource's name.

    """
    running, standing = dict[str, int](), dict[str, int]()
    for resource in resources:
        parts = [(standing, resource.costs)]
        if runs(resource.name):
            parts.append((running, resource.running_costs))
        for total, amounts in parts:
            for unit, amount in amounts.items():
                total[unit] = total.get(unit, 0) + amount
    return Costs(running, standing)


def lines(stage: Stage, costs: Costs, head: str) -> Iterator[str]:
    """Yield what costs money, and the sum by the prices of site.toml if there are any; nothing where nothing does.

    Args:
        stage: The stage.
        costs: The amounts.
        head: The words before them.

    """
    amounts = {**costs.running, **costs.standing}
    if not amounts:
        return
    yield f"{head}: {', '.join(f'{amount} {unit}' for unit, amount in amounts.items())}"
    prices = stage.config.prices if isinstance(stage.config, CloudStage) else {}
    if not prices:
        return
    all_, standing = _sum(amounts, prices), _sum(costs.standing, prices)
    stopped = f", {standing:.2f} of it also while hosts are stopped" if costs.running and standing else ""
    unknown = ", ".join(unit for unit in amounts if unit not in prices)
    yield (
        f"that is about {all_:.2f} a month by stages.{stage.name}.prices{stopped}"
        + (f"; without a price there: {unknown}" if unknown else "")
    )


def _sum(amounts: Mapping[str, int], prices: Mapping[str, float]) -> float:
    """Return the sum by month."""
    return sum(amount * prices.get(unit, 0) for unit, amount in amounts.items())
