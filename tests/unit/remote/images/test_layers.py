"""Which inputs make another layer, and the options of its build container."""

from typing import Any

import pytest

from model.keys.tree import Entry
from model.secrets.secret import Secret
from remote.images.layers import Layer, container_options
from remote.images.role_archive import BUILD_ROLE

SCRIPT = Entry("setup.sh", 0o755, b"true\n", "file")
LAYER = Layer("web", (SCRIPT,), {"A": "1"}, 60)


def layer(**parts: Any) -> Layer:
    """Return a layer that differs from `LAYER`."""
    return Layer(**{**{name: getattr(LAYER, name) for name in LAYER.__dataclass_fields__}, **parts})


@pytest.mark.parametrize(
    "other",
    [
        layer(entries=()),
        layer(environment={"A": "2"}),
        layer(environment={"B": "1"}),
        layer(fingerprints={"s": "hmac:1"}),
        layer(privileged=True),
        layer(standalone=True),
        layer(period="2026-01-01"),
    ],
)
def test_what_counts_for_a_layer(other: Layer) -> None:
    """All that a role can see makes another layer, and each of it in another way."""
    assert other.key("p") != LAYER.key("p")
    assert LAYER.key("q") != LAYER.key("p")


@pytest.mark.parametrize("other", [layer(role="other"), layer(timeout=5), layer(secrets={"s": Secret("x")})])
def test_what_does_not_count_for_a_layer(other: Layer) -> None:
    """Its name, how long it may take, and a secret's own text (only its keyed digest counts) make no other layer."""
    assert other.key("p") == LAYER.key("p")


def test_container_options() -> None:
    """A role has nothing that it was not given; a standalone image's runs beside its init."""
    assert container_options(LAYER)["command"] == [BUILD_ROLE]
    assert not {"privileged", "cap_add"} & container_options(LAYER).keys()
    assert "ALL" not in container_options(layer(standalone=True))["cap_add"]
    both = container_options(layer(standalone=True, privileged=True))
    assert both["privileged"]
    assert "cap_add" not in both
    assert both["tmpfs"]
