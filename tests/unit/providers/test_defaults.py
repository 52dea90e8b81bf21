"""Defaults that a newer skep changed: what was made from an older one is as site.toml wants it."""

from providers.base import Resource

NOW = Resource("hive0", {"image": "13", "cpus": "2"}, defaults={"image": ("11", "12")})


def test_keys_of_older_defaults() -> None:
    """Each older default has a key; where nothing has one, there is none."""
    made = [Resource("hive0", {"image": image, "cpus": "2"}).key for image in ("11", "12")]

    assert NOW.former_keys == tuple(made)
    assert NOW.key not in made
    assert Resource("hive0", NOW.inputs).former_keys == ()


def test_an_older_default_is_no_change() -> None:
    """What a thing was made from by default stays its input."""
    assert NOW.as_made({"image": "12", "cpus": "2", "ssh_key": "k"}) == {"image": "12", "cpus": "2"}


def test_what_is_made_anew_gets_todays() -> None:
    """Where another input changed; so too where the last value was never a default, or is not known."""
    assert NOW.as_made({"image": "12", "cpus": "1"}) == NOW.inputs
    assert NOW.as_made({"image": "ubuntu", "cpus": "2"}) == NOW.inputs
    assert NOW.as_made({}) == NOW.inputs
