"""The images that hosts at OpenStack are made from, and the flavors, which are their sizes."""

from model.errors import ProviderError
from model.json_types import Json
from providers.cloud.memo import Memo
from providers.openstack.api import OpenStackApi

_GIB = 1024**3


class OpenStackImages:
    """The image and the flavors of one run: all hosts get the same image.

    Args:
        api: The services.
        name: `image_name`: a family as `debian-12`, or the name or id of an image.

    """

    def __init__(self, api: OpenStackApi, name: str) -> None:
        self._api, self._name = api, name
        self._flavors: Memo[str, list[Json]] = Memo()
        self._found: Memo[str, Json] = Memo()

    def flavors(self) -> list[Json]:
        """Return all flavors that the project may use: one listing for a run."""
        return self._flavors.get("", lambda: self._api.listing("compute", "/flavors/detail", "flavors"))

    def flavor(self, name: str) -> Json:
        """Return a flavor by its name or id.

        Raises:
            ProviderError: There is none.

        """
        flavors = self.flavors()
        found = next((flavor for flavor in flavors if name in {flavor["name"], flavor["id"]}), None)
        if found is None:
            known = ", ".join(sorted(flavor["name"] for flavor in flavors))
            raise ProviderError(f"instance_type: there is no flavor {name}; the project has {known}")
        return found

    def image(self) -> Json:
        """Return the image of that id or name, or the newest of that family.

        Raises:
            ProviderError: There is none.

        """
        return self._found.get(self._name, self._find)

    def _find(self) -> Json:
        """Return the image."""
        name = self._name
        distro, _, version = name.partition("-")
        for query in ({"id": name}, {"name": name}, {"os_distro": distro, "os_version": version}):
            found = self._api.listing("image", "/images", "images", status="active", **query)
            if found:
                # In one and the same second, the id decides: two runs must come to the same.
                newest: Json = max(found, key=lambda image: (image["created_at"], image["id"]))
                return newest
        raise ProviderError(
            f"image_name: there is no image {name}, and none with os_distro {distro} and os_version {version}: upload "
            f"one, or name another"
        )


def disk_size(image: Json) -> int:
    """Return the GiB that the disk of a server must have at least for an image. Pure.

    Cinder refuses a volume that is smaller than `min_disk`, than the image's file, or than the disk in it.

    https://opendev.org/openstack/cinder/src/branch/master/cinder/volume/flows/api/create_volume.py
    """
    sizes = (int(image.get(name) or 0) for name in ("size", "virtual_size"))
    return max(int(image.get("min_disk") or 0), *(-(-size // _GIB) for size in sizes))
