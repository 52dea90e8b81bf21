"""Units of hosts that timers start as well."""

from tests.integration.site import Site


def run_unit(site: Site, host: str, unit: str) -> None:
    """Run a oneshot unit from its beginning to its end.

    One that its timer has at work ends first: `systemctl start` would wait for that one, which may have begun before
    there was what it is to see now.
    """
    site.on(
        host,
        f'while [ "$(systemctl is-active {unit})" = activating ]; do sleep 0.2; done\nsystemctl start {unit}',
    )
