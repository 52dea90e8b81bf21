"""The external images of a site: bases of its images, and images that services run as they are."""

from contextlib import suppress

from model import site as types
from model.images.reference import Reference, parse
from model.stage import Stage

MAKERS = ("debootstrap", "tarball", "archive")
"""The keys of a base that skep makes instead of pulling it."""


def names(stage: Stage) -> list[str]:
    """Return the bases that a stage needs, as `from` and `image` name them."""
    run_as_they_are = {service.image for service in stage.services.values()} - stage.site.images.keys()
    begun_with = {name for image in stage.images.values() if (name := of_image(stage, image)) is not None}
    built_on = {
        base
        for name, image in stage.images.items()
        if image.pulled_on(stage.name) is None
        for base in stage.site.froms.get(name, ())
        if base not in stage.site.images or base == name
    }
    return sorted(begun_with | run_as_they_are | built_on)


def known_as(site: types.Site, own: str, image: str) -> str | None:
    """Return what site.toml calls an image that a Dockerfile names: one of `[images]`, else of `[bases]`, else None.

    Args:
        site: The site.
        own: The image that the Dockerfile is for. By its own name it means another one: `FROM nginx` of image `nginx`.
        image: What the Dockerfile names.

    """
    if (image in site.images and image != own) or image in site.bases:
        return image
    for name in site.bases:
        with suppress(ValueError):
            if parse(name) == parse(image):
                return name
    return None


def of_image(stage: Stage, image: types.Image) -> str | None:
    """Return the base of an image, or the reference that the stage pulls it from; None for a Dockerfile's."""
    return image.pulled_on(stage.name) or image.from_


def all_names(site: types.Site) -> list[str]:
    """Return the bases that any stage needs."""
    return sorted({name for key, config in site.stages.items() for name in names(Stage(site, key, config))})


def pulled(site: types.Site, name: str) -> Reference | None:
    """Return the reference that is pulled for a base; None for a base that skep makes.

    Raises:
        ValueError: What should be pulled is no reference.

    """
    base = site.bases.get(name, types.Base())
    if any(getattr(base, maker) is not None for maker in MAKERS):
        return None
    return parse(base.image or name)
