"""Compose files that people have: odd values, files that are no text, images that one service builds for another."""

from pathlib import Path

import pytest

from model.errors import ConfigError
from tests.unit.model.compose.conversion import converted


def test_one_directory_is_one_volume(tmp_path: Path) -> None:
    """However its path is written, services that shared a directory share a volume."""
    (tmp_path / "data").mkdir()

    made = converted(
        tmp_path,
        """
        services:
          a: {image: "example/a:1", volumes: ["./data:/a"]}
          b: {image: "example/b:1", volumes: ["./data/:/b"]}
          c: {image: "example/c:1", volumes: ["data:/c"]}
        volumes: {data: }
        """,
    )

    sources = {name: made.service(name)["volumes"][0]["source"] for name in "abc"}
    assert sources["a"] == sources["b"] != sources["c"]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """It is delivered as it is, as any other file; a private key is pointed out."""
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n")
    (tmp_path / "tls.key").write_text("-----BEGIN EC PRIVATE KEY-----\n")
    (tmp_path / "comment.conf").write_text("{# not skep's #}\n")

    made = converted(
        tmp_path,
        """
        services:
          web:
            image: example/web:1
            volumes: ["./logo.png:/logo.png", "./tls.key:/tls.key", "./comment.conf:/c.conf"]
        """,
    )

    configs = made.data["configs"]
    assert [use["source"] for use in made.service("web")["configs"]] == list(configs)
    assert [table.get("template", True) for table in configs.values()] == [False, True, False]
    assert "a private key" in made.remarks("configs", "web-tls-key")
    assert made.remarks("configs", "web-logo-png") == ""


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory or a pipe is no config: it is said, and the site loads."""
    (tmp_path / "c").mkdir()

    made = converted(
        tmp_path, "services: {web: {image: 'example/web:1', configs: [c]}}\nconfigs: {c: {file: ./c}}"
    )

    assert "file: ./c -- it can't be read" in made.remarks("configs", "c")


def test_an_image_that_another_service_builds(tmp_path: Path) -> None:
    """Who runs it by its name in the compose file runs what is built here; the name that is gone is said."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")

    made = converted(
        tmp_path,
        """
        services:
          worker: {image: example/app}
          web: {image: "example/app:latest", build: .}
          db: {image: "example/db:1"}
        """,
    )

    assert [made.service(name)["image"] for name in ("worker", "web", "db")] == ["web", "web", "example/db:1"]
    assert "image: example/app:latest -- " in made.remarks("services", "web")
    assert "image: example/app -- it is built here, as web" in made.remarks("services", "worker")


def test_files_of_variables_that_are_raw(tmp_path: Path) -> None:
    """Their values stand as they are, quotes and dollars too; another format is said."""
    made = converted(
        tmp_path,
        """
        services:
          web:
            image: example/web:1
            env_file: [{path: raw.env, format: raw}, {path: other.env, format: other}]
        """,
        files={"raw.env": "# no\nA='$b' # c\n", "other.env": "B=1\n"},
    )

    assert made.site.services["web"].environment == {"A": "'$b' # c", "B": "1"}
    assert "env_file (other.env).format: other -- " in made.remarks("services", "web")


def test_values_of_yaml_print_as_yaml(tmp_path: Path) -> None:
    """No value is shown or written as Python has it; what is nothing is not there."""
    made = converted(
        tmp_path,
        """
        version: "3.8"
        services:
          web:
            image: example/web:1
            container_name: true
            command: true
            environment: {true: 1, 2.0: two}
            annotations: [x]
            env_file: true
            deploy: {resources: {limits: {memory: , cpus: 1}}, endpoint_mode: true}
            volumes: [{type: volume, source: v, target: /v, options: a}]
            ports: [{target: 80, range: b}]
        """,
    )

    for python in ("True", "None", "['", "{'"):
        assert python not in made.text
    web = made.service("web")
    assert web["environment"] == {"true": 1, "2.0": "two"}
    assert web["command"] == ["true"]
    assert web["cpu_limit"] == 1
    assert "mem_limit" not in web
    remarks = made.remarks("services", "web")
    assert "volumes (/v).options: a -- " in remarks
    assert "ports (80).range: b -- " in remarks
    assert "version: 3.8 -- it means nothing any more" in made.comments


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("env_file: [[a]]", "services.web.env_file[0]: must be a single value or a mapping"),
        ("build: [a]", "services.web.build: must be a single value or a mapping"),
        ("depends_on: [{a: b}]", "services.web.depends_on[0]: must be a single value"),
        ("extends: {file: a.yml}", "services.web: extends no service: name one"),
        ("extends: {service: [a]}", "services.web.extends.service: must be a single value"),
        ("environment: {A: '\ue000B\ue001'}", "services.web.environment.A: has U+E000"),
        ('environment: {A: "\\ud800"}', "services.web.environment.A: has U+D800"),
        ("environment: ['A=\x01']", "line 1: has U+0001, which YAML does not allow"),
    ],
)
def test_what_compose_has_not(tmp_path: Path, key: str, message: str) -> None:
    """What Docker refuses is refused, with its place."""
    with pytest.raises(ConfigError) as error:
        converted(
            tmp_path,
            f"services: {{web: {{image: 'example/web:1', {key}}}}}",
            files={"a.yml": "services: {b: }"},
        )

    assert message in str(error.value)


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    """It is a file that is not there."""
    made = converted(tmp_path, f"services: {{web: {{image: 'example/web:1', env_file: {'x' * 5000}}}}}")

    assert "there was no such file" in made.remarks("services", "web")


def test_a_name_that_can_stay_stays(tmp_path: Path) -> None:
    """Another service whose name is changed to the same gets a number."""
    made = converted(tmp_path, "services: {A_B: {image: 'example/a:1'}, a-b: {image: 'example/b:1'}}")

    assert {name: table["image"] for name, table in made.data["services"].items()} == {
        "a-b-2": "example/a:1",
        "a-b": "example/b:1",
    }


def test_what_is_asked_for_and_what_is_chosen(tmp_path: Path) -> None:
    """The message of a secret without a value stands beside it; a text that depends on a variable is said."""
    made = converted(
        tmp_path,
        """
        services:
          web:
            image: example/web:1
            environment: {A: "${DB_PASSWORD:?ask Ann}", B: "${DEBUG:+-v}"}
            depends_on: {db: {condition: service_started, required: false}}
          db: {image: "example/db:1"}
        """,
    )

    assert "db_password is the environment variable DB_PASSWORD, which had no value" in made.comments
    assert ": ask Ann" in made.comments
    assert "${DEBUG:+-v}: site.toml has no such form" in made.comments
    assert "depends_on.db.required: false -- " in made.remarks("services", "web")


def test_what_is_named_or_made_elsewhere(tmp_path: Path) -> None:
    """Names that skep does not give, and keys of what is external, are said."""
    made = converted(
        tmp_path,
        """
        services:
          web: {image: "example/web:1", secrets: [s], configs: [c], networks: [n], volumes: ["v:/v"]}
        secrets: {s: {file: ./s, name: s-of-docker}}
        configs: {c: {content: text, name: c-of-docker}}
        networks: {n: {external: true, attachable: true}}
        volumes: {v: {external: {name: other}, driver: nfs}}
        """,
        files={"s": "secret"},
    )

    assert "name: s-of-docker -- secrets are named by their content" in made.remarks("secrets", "s")
    assert "name: c-of-docker -- configs are named by their content" in made.remarks("configs", "c")
    assert "attachable: true -- it is external" in made.remarks("networks", "n")
    assert "driver: nfs -- it is external" in made.remarks("volumes", "v")
    assert made.data["networks"]["n"] == {"external": True}
    assert made.data["volumes"]["v"]["name"] == "other"


def test_secrets_of_a_build(tmp_path: Path) -> None:
    """They are called as in the site; another name in the Dockerfile is said."""
    (tmp_path / "Dockerfile").write_text(
        "FROM scratch\nRUN --mount=type=secret,id=npm --mount=type=secret,id=pip true\n"
    )

    made = converted(
        tmp_path,
        """
        services:
          web: {build: {context: ., secrets: [NPM, {source: pip, target: index, uid: 5}, none]}}
        secrets: {NPM: {file: ./s}, pip: {file: ./s}}
        """,
        files={"s": "secret"},
    )

    assert made.data["images"]["web"]["secrets"] == ["npm", "pip"]
    remarks = made.remarks("images", "web")
    assert "build.secrets: NPM -- the Dockerfile is to name it as here: id=npm" in remarks
    assert "build.secrets: index -- the Dockerfile is to name it as here: id=pip" in remarks
    assert "build.secrets.uid: 5 -- " in remarks
    assert "build.secrets: none -- " in remarks


def test_a_variable_that_is_no_text(tmp_path: Path) -> None:
    """A value of the shell that is no UTF-8 is refused before anything is written."""
    with pytest.raises(ConfigError, match="the variable TOKEN is not UTF-8"):
        converted(
            tmp_path,
            "services: {web: {image: 'example/web:1', environment: {A: $TOKEN}}}",
            environment={"TOKEN": "a\udcff"},
        )


def test_a_command_with_an_open_quote(tmp_path: Path) -> None:
    """Docker refuses it; it is not run in some other way."""
    made = converted(tmp_path, "services: {web: {image: 'example/web:1', command: 'echo \"a'}}")

    assert "command" not in made.service("web")
    assert 'command: echo "a -- a quote in it is not closed' in made.remarks("services", "web")
