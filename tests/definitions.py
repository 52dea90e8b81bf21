"""Services and images from the words of site.toml."""

from typing import Any

import msgspec

from model.site import Image, Service
from model.site_file import convert
from model.site_file.service_tables import ServiceTable
from model.site_file.tables import ImageTable


def service_of(table: dict[str, Any]) -> Service:
    """Return the service that a table describes."""
    problems: list[str] = []
    service = convert.service(msgspec.convert(table, ServiceTable), "service", problems)
    assert problems == []
    return service


def image_of(table: dict[str, Any]) -> Image:
    """Return the image that a table describes."""
    problems: list[str] = []
    image = convert.image(msgspec.convert(table, ImageTable), "image", problems)
    assert problems == []
    return image
