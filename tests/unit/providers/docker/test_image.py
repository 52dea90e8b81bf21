"""The host image: which stages share it."""

from model import site as types
from model.keys.digest import key_of
from providers.docker import image as docker_host_image


def test_the_image_is_shared() -> None:
    """Two stages that differ in all but the host image share its key."""
    one, other = types.DockerStage(cidr="10.0.0.0/24"), types.DockerStage(cidr="10.0.1.0/24", cpus=2)

    assert key_of(docker_host_image.inputs(one)) == key_of(docker_host_image.inputs(other))


def test_a_mirror_counts_for_debootstrap_alone() -> None:
    """An image that is pulled does not depend on a mirror that nobody asks."""
    pulled = types.DockerStage(host_image="debian:12")

    assert "mirror" not in docker_host_image.inputs(pulled)
    assert "mirror" in docker_host_image.inputs(types.DockerStage())
