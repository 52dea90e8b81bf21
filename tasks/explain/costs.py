"""What costs money as long as it exists, and how much by a person's own prices. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from model.site import CloudStage
from model.stage import Stage
from providers.base import Resource

_AT_LEAST = "at least "
HEAD = "costs money while it exists"


@dataclass(frozen=True)
class Costs:
    """Amounts that cost money, by the unit of their price.

    Args:
        running: Those of hosts that run.
        standing: Those of what exists, be it stopped.
        least: The units of which there may be more.

    """

    running: Mapping[str, int]
    standing: Mapping[str, int]
    least: AbstractSet[str] = frozenset()


def _runs(_name: str) -> bool:
    """Return that a host runs, or will."""
    return True


def costs_of(resources: Iterable[Resource], runs: Callable[[str], bool] = _runs) -> Costs:
    """Return what costs money of some resources.

    Args:
        resources: Resources that exist, or will.
        runs: Whether a host runs, by its resource's name.

    """
    running, standing, least = dict[str, int](), dict[str, int](), set[str]()
    for resource in resources:
        least.update(resource.least)
        parts = [(standing, resource.costs)]
        if runs(resource.name):
            parts.append((running, resource.running_costs))
        for total, amounts in parts:
            for unit, amount in amounts.items():
                total[unit] = total.get(unit, 0) + amount
    return Costs(running, standing, least)


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
    yield f"{head}: {', '.join(in_words(number, unit, costs.least) for unit, number in amounts.items())}"
    prices = stage.config.prices if isinstance(stage.config, CloudStage) else {}
    if not prices:
        return
    all_, standing = _sum(amounts, prices), _sum(costs.standing, prices)
    stopped = f", {standing:.2f} of it also while hosts are stopped" if costs.running and standing else ""
    unknown = ", ".join(unit for unit in amounts if unit not in prices)
    about = _AT_LEAST if costs.least & prices.keys() else "about "
    yield (
        f"that is {about}{all_:.2f} a month by stages.{stage.name}.prices{stopped}"
        + (f"; without a price there: {unknown}" if unknown else "")
    )


def in_words(number: int, unit: str, least: AbstractSet[str]) -> str:
    """Return an amount in words, with "at least" where there may be more."""
    return f"{_AT_LEAST if unit in least else ''}{number} {unit}"


def _sum(amounts: Mapping[str, int], prices: Mapping[str, float]) -> float:
    """Return the sum by month."""
    return sum(amount * prices.get(unit, 0) for unit, amount in amounts.items())
