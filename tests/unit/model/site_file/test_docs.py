"""The generated reference and JSON Schema: complete, up to date, and checked."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from model import site as types
from model.site_file import docs, tables
from model.site_file.load import schema

pytestmark = pytest.mark.slow


def concrete(base: type[types.Frozen] = types.Frozen) -> list[type[types.Frozen]]:
    """Return the types that tables are read into: all that no other is made from, nor is made from another."""
    below = base.__subclasses__()
    if below:
        return [found for cls in below for found in concrete(cls)]
    return [] if hasattr(tables, f"{base.__name__}Table") else [base]


def section(cls: type[types.Frozen]) -> str:
    """Return the section of a type, from its anchor to the next one."""
    anchor = re.sub(r"(?<!^)(?=[A-Z])", "-", cls.__name__.removesuffix("Table")).lower()
    _, _, rest = docs.reference().partition(f'<a id="{anchor}"></a>')
    return rest.partition("<a id=")[0]


def test_the_files_are_up_to_date() -> None:
    """What is in docs/ is what the types say; else run `./setup python -m model.site_file.docs`."""
    assert docs.check(docs.DIRECTORY) == []


@pytest.mark.parametrize("cls", concrete())
def test_every_key_is_there(cls: type[types.Frozen]) -> None:
    """Each table has a section with its docstring and a row for each of its keys, under the name that TOML has."""
    text = section(cls)

    assert str(cls.__doc__) in text
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `")]
    tag = ["`provider`"] if cls.__struct_config__.tag_field else []
    assert tag + [f"`{key.encode_name}`" for key in msgspec.structs.fields(cls)] == rows


@pytest.mark.parametrize("cls", concrete())
def test_every_key_is_explained(cls: type[types.Frozen]) -> None:
    """A key has a meaning of its own, or a kind of values that is explained."""
    rows = [line for line in section(cls).splitlines() if line.startswith("| `")]
    anchors = {name.lower() for name in docs.kinds()}

    bare = [
        row for row in rows if row.endswith("|  |") and not any(f"(#{anchor})" in row for anchor in anchors)
    ]
    assert bare == []


def test_every_link_leads_somewhere() -> None:
    """A link within the page names an anchor of it, and each anchor is there once."""
    text = docs.reference()

    anchors = re.findall(r'<a id="([^"]+)">', text)
    assert sorted(set(anchors)) == sorted(anchors)
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= set(anchors)


def test_the_text_is_the_same_each_time() -> None:
    """The order is that of the types: nothing moves from one run to the next."""
    assert docs.pages() == docs.pages()
    places = [table.paths[0] for table in docs.tables()]
    assert places[:1] == [""]
    assert places.index("[images.<name>]") < places.index("[services.<name>]")


@pytest.mark.parametrize(
    ("key", "row"),
    [
        ("site", "| `site` | [domain](#domain) | **required** |"),
        ("replicas", "| `replicas` | integer, 0 to 10000 | `1` |"),
        ("from", "| `from` | string |  |"),
        ("standalone", "| `standalone` | boolean | `false` |"),
        ("mode", '| `mode` | string, one of `ingress`, `host` | `"ingress"` |'),
        ("ports", "| `ports` | array of strings or [tables](#port-map) | `[]` |"),
        ("env", "| `env` | table, string to string, number or boolean | `{}` |"),
        ("vars", "| `vars` | table, [variable](#variable) to any value | `{}` |"),
        ("generate", "| `generate` | integer or [table](#generated), 12 to 256 |  |"),
        ("cpu_limit", "| `cpu_limit` | number, more than 0 |  |"),
    ],
)
def test_types_defaults_and_limits_are_in_tomls_words(key: str, row: str) -> None:
    """A row says what may be written, within which limits, and what counts where the key is left out."""
    rows = [line for line in docs.reference().splitlines() if line.startswith(f"| `{key}` |")]

    assert any(line.startswith(row) for line in rows), rows


def test_the_schema_is_the_loaders() -> None:
    """Editors check with the very schema that finds the mistakes of a file."""
    assert schema() == json.loads(docs.pages()["site.schema.json"])


def test_the_example_names_the_schema() -> None:
    """The example's first line tells editors where the schema is, seen from the example."""
    root = docs.DIRECTORY.parent
    first = (root / "site.toml").read_text().splitlines()[0]

    assert (root / first.removeprefix("#:schema ")).is_file()


def test_a_stale_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The check writes nothing, fails, and says which file, which line and how to mend it; writing mends it."""
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0
    page = tmp_path / "site.md"
    page.write_text(page.read_text().replace("A whole site.", "Half a site."))
    (tmp_path / "site.schema.json").unlink()
    capsys.readouterr()

    assert docs.main(["--check"], tmp_path) == 1

    said = capsys.readouterr().err
    assert f"{tmp_path.name}/site.md: line " in said
    assert "    Half a site.\n  and should be\n    A whole site." in said
    assert f"{tmp_path.name}/site.schema.json: is missing" in said
    assert docs.COMMAND in said
    assert not (tmp_path / "site.schema.json").exists()
    assert docs.main([], tmp_path) == 0
    assert docs.main(["--check"], tmp_path) == 0


def test_what_is_up_to_date_is_not_written(tmp_path: Path) -> None:
    """Writing leaves a file alone that is as it should be, so that its time stays."""
    assert docs.write(tmp_path) == ["site.md", "site.schema.json"]

    assert docs.write(tmp_path) == []
