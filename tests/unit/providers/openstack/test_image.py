"""The image and the flavors of hosts at OpenStack."""

from typing import Any

import pytest

from model.errors import ProviderError
from providers.openstack.api import OpenStackApi
from providers.openstack.image import OpenStackImages

FLAVORS = [{"id": "1", "name": "m1.small"}, {"id": "2", "name": "m1.large"}]


def images(
    monkeypatch: pytest.MonkeyPatch, name: str, found: dict[str, list[dict[str, Any]]]
) -> OpenStackImages:
    """Return the images of a cloud that has flavors, and these images by the query that finds them."""
    api = OpenStackApi(None, None)

    def listing(service: str, _path: str, _key: str, **query: str) -> list[dict[str, Any]]:
        return FLAVORS if service == "compute" else found.get(next(iter(query.keys() - {"status"}), ""), [])

    monkeypatch.setattr(api, "listing", listing)
    return OpenStackImages(api, name)


def test_an_id_or_a_name_comes_before_a_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several the newest is taken; of two of the same second, always the same one."""
    old, new, same = (
        {"id": identifier, "created_at": created}
        for identifier, created in (("a", "2026-01-01"), ("b", "2026-02-01"), ("c", "2026-02-01"))
    )

    assert images(monkeypatch, "debian-12", {"name": [old, same, new]}).image() == same
    with pytest.raises(ProviderError, match=r"there is no image plan9-4, and none with os_distro plan9"):
        images(monkeypatch, "plan9-4", {}).image()


def test_a_flavor_is_named_or_given_by_its_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown one is told with the known ones."""
    known = images(monkeypatch, "debian-12", {})

    assert known.flavor("m1.large") == known.flavor("2") == FLAVORS[1]
    with pytest.raises(ProviderError, match=r"there is no flavor huge; the project has m1\.large, m1\.small"):
        known.flavor("huge")
