"""A Dockerfile: the images, stages and secrets that it names."""

import pytest

from model.images.instructions import expand, instructions, read_dockerfile, rewritten


def images(text: str, target: str | None = None, **args: str) -> list[str]:
    """Return the images that a Dockerfile uses."""
    return [use.image for use in read_dockerfile(text, args).images(target)]


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("FROM a", ["a"]),
        ("\ufefffrom a:1\r\nRUN true\r\n", ["a:1"]),
        (
            "# syntax=docker/dockerfile:1\n\n  # FROM x\nFROM --platform=linux/amd64 a@b AS c\nFROM c\n",
            ["a@b"],
        ),
        ("ARG BASE=a:1\nFROM ${BASE}", ["a:1"]),
        ('ARG V="12"\nARG BASE=debian:$V\nFROM $BASE-slim', ["debian:12-slim"]),
        ("ARG V\nFROM a:${V:-3}", ["a:3"]),
        ("FROM a\nARG V=2\nFROM b:${V:-1}", ["b:1"]),
        (
            "FROM a AS Build\nFROM scratch\nCOPY --from=build /x /\nCOPY --chown=1 --from=b:1 /y /",
            ["a", "b:1"],
        ),
        ("FROM a\nFROM b\nCOPY --from=0 /x /\n", ["a", "b"]),
        ("FROM a AS x\nFROM b AS y\nFROM c\n", ["c"]),
        ("FROM a\nRUN --mount=type=bind,from=b,target=/b --mount=type=cache,target=/c true", ["a", "b"]),
        ("FROM \\\n  # a comment\n\n  a \\ \n  AS b\nRUN echo \\\nFROM x\n", ["a"]),
        ("# escape=`\nFROM `\na\nRUN echo \\\nFROM b", ["b"]),
        ("FROM a\nRUN <<EOF\nFROM x\nEOF\nCOPY <<-'END' /y\nFROM z\n\tEND\nFROM b", ["b"]),
        ('FROM a\nRUN echo "cat <<EOF x"\nFROM b', ["b"]),
        ("FROM a\nRUN cat <<E'O'F <<\"B\"\nFROM x\nEOF\nFROM y\nB\nFROM b", ["b"]),
        ("FROM a\nRUN cat <<<EOF\nFROM b", ["b"]),
        ("# owner=me\n# escape=`\nFROM a\\\n AS b\nFROM b", ["a"]),
        ("# check=skip=all\n# escape=`\nFROM `\na", ["a"]),
        ('ARG A="1 2" B=3\nFROM a:$B', ["a:3"]),
        ("ARG B=b:1\nFROM ${A:-${C:-$B}}", ["b:1"]),
        ("ARG TARGETARCH\nFROM a-$TARGETARCH\nCOPY --from=$X /y /", ["", ""]),
    ],
)
def test_the_images_of_a_build(text: str, used: list[str]) -> None:
    """They are those of the stages on the way to the last one; unknown ones are left to the builder."""
    assert images(text) == used


def test_a_target_and_arguments() -> None:
    """They choose what is used."""
    text = "ARG BASE=a\nFROM ${BASE} AS one\nFROM b AS two\nCOPY --from=one / /\nFROM c\n"

    assert images(text, "ONE") == ["a"]
    assert images(text, "two", BASE="x") == ["x", "b"]
    assert images(text, "2") == ["c"]
    assert read_dockerfile(text, {}).number("three") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["it has no FROM"]),
        ("RUN true", ["it has no FROM"]),
        (
            "ARG BASE\n\nFROM ${BASE}",
            ["line 3: FROM ${BASE} names no image: give its variable a value, in build.args"],
        ),
        ("FROM a", []),
    ],
)
def test_what_no_builder_can_build(text: str, said: list[str]) -> None:
    """It is said with its line, before anything is touched."""
    assert list(read_dockerfile(text, {}).problems) == said


def test_secrets() -> None:
    """They are known by their ids, or by the names of their files."""
    text = (
        "FROM a\nRUN --mount=type=secret,id=npm,target=/x \\\n "
        "--mount=type=secret,target=/run/secrets/pip,required=true true\n"
        "RUN --mount=type=secret,id=npm,required echo --mount=type=secret,id=z\n"
        "RUN --mount=type=secret,id=y,required=false true\nRUN --mount=type=secret,src=gem,target=/x true\n"
    )

    assert read_dockerfile(text, {}).secrets == {"npm": True, "pip": True, "y": False, "gem": False}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a$B", "a1"), ("a${B}c", "a1c"), ("${B:-x}", "1"), ("${N:-x}", "x"), ("${E:-x}", "x"), ("${E-x}", ""),
        ("${N:-$B}", "1"), ("${B:+x}", "x"), ("${N:+x}", ""), ("${E+x}", "x"), ("'$B'", "$B"), ('"$B"', "1"),
        ("${B#x}", None), ("$TARGETARCH", None), ("$N", ""), ("${N:-${E:-y}}z", "yz"), ("\\$B", "$B"),
        ('x"$B"\'$B\'', "x1$B"), ("${", None), ("'a", None), ("$", "$"), ("${B:-${TARGETARCH}}", None),
    ],
)  # fmt: skip
def test_variables(text: str, value: str | None) -> None:
    """They stand for what BuildKit puts in their places; None is what only it knows."""
    assert expand(text, {"B": "1", "E": ""}) == value


def test_other_images_are_put_in() -> None:
    """Only the words that name them change, wherever they stand and however they are written."""
    text = (
        "# FROM debian\r\nARG BASE=debian\r\nFROM --platform=debian ${BASE} AS debian-x\r\n"
        "COPY --from=debian /debian /\r\nFROM other\r\nCOPY --from=debian-x / /\r\n"
        "RUN --mount=from=debian,target=/debian,type=bind debian\r\n"
    )
    read = read_dockerfile(text, {})

    assert rewritten(text, {"debian": "r@sha256:1"}, read.images(None)) == (
        "# FROM debian\r\nARG BASE=debian\r\nFROM --platform=debian r@sha256:1 AS debian-x\r\n"
        "COPY --from=r@sha256:1 /debian /\r\nFROM other\r\nCOPY --from=debian-x / /\r\n"
        "RUN --mount=from=r@sha256:1,target=/debian,type=bind debian\r\n"
    )


def test_words_know_their_places() -> None:
    """Whatever is between them."""
    text = "FROM a\n\n\tRUN  x \\\r\n#c\n  y\\\n  z\n"

    for each in instructions(text):
        for word in each.words:
            assert text[word.begin : word.end].rstrip("\\") == word.text
