"""Variables in compose files: https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md."""

from pathlib import Path

import pytest

from model.compose.project import read_dotenv
from model.compose.variables import Variables, looks_secret
from model.errors import ConfigError
from tests.unit.model.compose.conversion import converted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$SET", "here"),
        ("${SET}", "here"),
        ("a-${SET}-$SET.b", "a-here-here.b"),
        ("${UNSET}", ""),
        ("${UNSET-default}", "default"),
        ("${UNSET:-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${EMPTY:-default}", "default"),
        ("${SET:-default}", "here"),
        ("${SET:?must be}", "here"),
        ("${SET+other}", "other"),
        ("${EMPTY+other}", "other"),
        ("${EMPTY:+other}", ""),
        ("${UNSET+other}", ""),
        ("${UNSET:-${SET}}", "here"),
        ("${UNSET:-${EMPTY:-inner}}", "inner"),
        ("${UNSET:-{a}}", "{a}"),
        ("$$SET $${SET} $ 5$", "$SET ${SET} $ 5$"),
        ("^/(sys|proc)($$|/)", "^/(sys|proc)($|/)"),
    ],
)
def test_forms(text: str, value: str) -> None:
    """Each form has the value that compose gives it."""
    variables = Variables({"SET": "here", "EMPTY": ""})

    assert variables.plain(variables.marked(text)) == value


@pytest.mark.parametrize("text", ["${SET/a/b}", "${SET", "${}", "${1}", "${SET!}"])
def test_other_forms_are_mistakes(text: str) -> None:
    """What is none of compose's forms is refused, with the place."""
    with pytest.raises(ConfigError, match=r"^file\.services\.web\.image: "):
        Variables({"SET": "x"}).interpolated("file", {"services": {"web": {"image": text}}})


def test_what_must_be_given_keeps_its_message() -> None:
    """`${NAME:?message}` without a value does not end the conversion: the message stands beside the variable."""
    variables = Variables({})
    variables.marked("${DOMAIN:?say where}")

    assert variables.used["DOMAIN"].value is None
    assert variables.used["DOMAIN"].asked == "say where"


def test_another_default_stands_for_itself() -> None:
    """A variable of site.toml has one value; a second default is written out."""
    variables = Variables({})
    marked = [variables.marked(text) for text in ("${TAG:-1}", "${TAG:-2}")]

    assert [variables.plain(text) for text in marked] == ["1", "2"]
    assert variables.used["TAG"].value == "1"


def test_a_variable_that_is_its_own_default_ends() -> None:
    """It has no value, and nothing runs forever."""
    variables = Variables({})

    assert variables.plain(variables.marked("${A:-${A}}")) == ""


def test_an_odd_name_has_no_mark() -> None:
    """What `environment` of a config or service names may be no name that a template can have."""
    variables = Variables({"a.b": "odd", "C": "even"})

    assert [variables.plain(variables.mark_of(name)) for name in ("a.b", "C", "x y", "1")] == [
        "odd",
        "even",
        "",
        "",
    ]
    assert set(variables.used) == {"C"}


def test_the_shell_comes_before_dotenv(tmp_path: Path) -> None:
    """Values of `.env` may have variables, of the shell and of its own earlier lines."""
    (tmp_path / ".env").write_text(
        "# remark\nHOST=example.org # of ours\nURL=https://${HOST}/${PATH_:-x}\nexport A='$HOST'\nB=file\n"
    )
    variables = Variables({"B": "shell"})
    variables.dotenv = read_dotenv(tmp_path / ".env", variables)

    values = [variables.value(name) for name in ("HOST", "URL", "A", "B", "C")]

    assert values == ["example.org", "https://example.org/x", "$HOST", "shell", None]


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("POSTGRES_PASSWORD", True),
        ("PIHOLE_PW", True),
        ("MYSQL_ROOT_PASS", True),
        ("API_KEY", True),
        ("GITHUB_TOKEN", True),
        ("CLIENTSECRET", True),
        ("POSTGRES_PASSWORD_FILE", False),
        ("PWD", False),
        ("TZ", False),
        ("KEYBOARD", False),
        ("COMPASS", False),
    ],
)
def test_secrets_are_known_by_their_names(name: str, *, is_secret: bool) -> None:
    """A name with such a word is a secret's, unless it is that of a file."""
    assert looks_secret(name) is is_secret


def test_a_default_in_some_places_alone(tmp_path: Path) -> None:
    """One variable of the site has one value; that compose would have nothing elsewhere is said."""
    for pair in ("A: '${TAG:-x}', B: $TAG", "A: $TAG, B: '${TAG:-x}'"):
        made = converted(tmp_path, f"services: {{web: {{image: 'example/web:1', environment: {{{pair}}}}}}}")

        assert made.data["vars"] == {"TAG": "x"}
        assert "TAG has no default everywhere" in made.comments
