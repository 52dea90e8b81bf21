"""From the tables of site.toml to the site."""

import msgspec
import pytest

from model import site as types
from model.site_file import convert, tables
from tests.definitions import service_of

PAIRS = [
    (kind, getattr(types, kind.__name__.removesuffix("Table")))
    for kind in vars(tables).values()
    if isinstance(kind, type) and kind.__module__ == tables.__name__ and kind.__name__.endswith("Table")
]
"""Each table that is written otherwise than it is meant, with what it becomes."""
NO_KEYS = {"froms"}
"""What is read out of other files of the site, the Dockerfiles, and so is in no table."""


@pytest.mark.parametrize(("table", "kind"), PAIRS)
def test_a_table_and_its_type_have_the_same_keys(
    table: type[msgspec.Struct], kind: type[msgspec.Struct]
) -> None:
    """A key that is added to one of them is added to the other."""
    written = {field.name: field.encode_name for field in msgspec.structs.fields(table)}
    # Its variables are in `environment`.
    written.pop("env_file", None)

    meant = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    assert {name: key for name, key in meant.items() if name not in NO_KEYS} == written


def test_defaults_are_the_same() -> None:
    """A table that says nothing becomes a type that was given nothing."""
    assert convert.site(tables.SiteTable(site="a", stages={})) == (types.Site(site="a", stages={}), [])
    assert convert.image(tables.ImageTable(from_="a:1"), "images.a", []) == types.Image(from_="a:1")
    assert service_of({"image": "a:1"}) == types.Service(image="a:1")
    assert convert.stage(tables.VagrantStageTable()) == types.VagrantStage()
    made = service_of({"image": "a:1", "healthcheck": {"test": "true"}})
    assert made == types.Service(image="a:1", healthcheck=types.Healthcheck(test="true"))
    made = service_of(
        {"image": "a:1", "backup_scripts": [{"volume": "data"}, {"volume": "b", "timeout": "30m"}]}
    )
    assert made.backup_scripts == [
        types.BackupScript(volume="data"),
        types.BackupScript(volume="b", timeout=1800.0),
    ]
    iron: dict[str, object] = {"networks": [types.InstallNetwork(interface="eth0")], "target": "/dev/sda"}
    made_of_iron = convert.stage(
        msgspec.convert(iron | {"provider": "kickstart"}, tables.KickstartStageTable)
    )
    assert made_of_iron == types.KickstartStage(
        networks=[types.InstallNetwork(interface="eth0")], target="/dev/sda"
    )
