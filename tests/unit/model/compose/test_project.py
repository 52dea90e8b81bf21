"""Several files of a project: merged, extended, included."""

from pathlib import Path

import pytest

from model.compose.project import read_project
from model.errors import ConfigError
from tests.unit.model.compose.conversion import converted, write


def test_a_second_file_is_merged(tmp_path: Path) -> None:
    """By the rules of compose: mappings and lists grow, commands and mounts of one target are replaced."""
    made = converted(
        tmp_path,
        """
        services:
          web:
            image: example/web:1
            command: [run, slow]
            environment: {A: 1, B: 2}
            ports: ["80:80", "90:90"]
            volumes: ["old:/data", "keep:/keep"]
            dns: [9.9.9.9]
            labels: [a=1]
        volumes: {old: , keep: , new: }
        """,
        """
        services:
          web:
            image: example/web:2
            command: [run, fast]
            environment: ["B=3", "C=4"]
            ports: ["80:80", "81:81"]
            volumes: ["new:/data"]
            dns: [1.1.1.1]
            labels: !override [b=2]
          more: {image: "example/more:1"}
        """,
    )

    assert made.service("web") == {
        "image": "example/web:2",
        "command": ["run", "fast"],
        "environment": {"A": 1, "B": "3", "C": "4"},
        "ports": ["80:80", "90:90", "81:81"],
        "volumes": [{"source": "new", "target": "/data"}, {"source": "keep", "target": "/keep"}],
        "dns": ["9.9.9.9", "1.1.1.1"],
        "container_labels": {"b": "2"},
    }
    assert made.service("more") == {"image": "example/more:1"}


def test_a_value_is_reset(tmp_path: Path) -> None:
    """`!reset` takes away what another file has."""
    made = converted(
        tmp_path,
        "services: {web: {image: 'example/web:1', ports: ['80:80'], environment: {A: 1, B: 2}}}",
        "services: {web: {ports: !reset [], environment: {A: !reset null}}}",
    )

    assert made.service("web") == {"image": "example/web:1", "environment": {"B": 2}}


def test_services_extend_others(tmp_path: Path) -> None:
    """Of the same file and of another, whose paths begin at its own directory, and of one that extends itself."""
    made = converted(
        tmp_path,
        """
        services:
          base: {image: "example/base:1", environment: {A: 1, B: 1}, cap_add: [NET_ADMIN]}
          web: {extends: {service: base}, environment: {B: 2}}
          job: {extends: {service: worker, file: common/services.yml}, image: "example/job:1"}
        """,
        files={
            "common/services.yml": """
                services:
                  root: {environment: {ROOT: yes}}
                  worker: {extends: root, image: "example/worker:1", env_file: worker.env}
                """,
            "common/worker.env": "C=3\n",
        },
    )

    assert made.service("web") == {
        "image": "example/base:1",
        "environment": {"A": 1, "B": 2},
        "cap_add": ["NET_ADMIN"],
    }
    assert made.service("job") == {
        "image": "example/job:1",
        "env_file": ["common/worker.env"],
        "environment": {"ROOT": "yes"},
    }


def test_files_are_included(tmp_path: Path) -> None:
    """With an `.env` of their own, below that of the project; names that are there already are remarks."""
    made = converted(
        tmp_path,
        """
        include:
          - other/compose.yml
          - {path: [third.yml], env_file: third.env}
        services:
          web: {image: "example/web:1"}
        """,
        files={
            "other/compose.yml": """
                services:
                  other: {image: "example/other:${TAG}", configs: [c], build: {context: ., dockerfile_inline: "FROM x"}}
                  web: {image: "example/another:1"}
                configs: {c: {file: ./c.conf}}
                """,
            "other/.env": "TAG=7\n",
            "other/c.conf": "c\n",
            "third.yml": "services: {third: {image: 'example/third:${TAG}'}}",
            "third.env": "TAG=8\n",
        },
    )

    assert made.service("third")["image"] == "example/third:8"
    assert made.service("web")["image"] == "example/web:1"
    assert made.data["configs"]["c"] == {"file": "other/c.conf"}
    assert made.data["images"]["other"] == {
        "build": {"context": "other", "dockerfile": "../other.Dockerfile"}
    }
    assert "services.web of compose.yml is there already" in made.comments


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "has no services"),
        ("[1]\n", "has no services"),
        ("services: {}\n", "has no services"),
        ("services: {a: {extends: a}}\n", "services.a: extends itself"),
        ("services: {a: {extends: {service: x, file: none.yml}}}\n", "none.yml: No such file"),
        ("services: {a: {extends: b}}\n", "extends b, which"),
        ("include: [compose.yml]\nservices: {a: {image: x}}\n", "includes itself"),
        ("include: ['oci://example.org/x']\nservices: {a: {image: x}}\n", "only files of this machine"),
        ("services: [a]\n", "services: must be a mapping"),
        ("services: {a: b}\n", "services.a: must be a mapping"),
        ("services: {a: {image: [b]}}\n", "services.a.image: must be a single value"),
        ("services: {a: {image: b, ports: '80:80'}}\n", "services.a.ports: must be a list"),
        ("services: {a: {image: b, deploy: {placement: [x]}}}\n", "deploy.placement: must be a mapping"),
        ("services: {a: {image: b, environment: A=1}}\n", "environment: must be a list or a mapping"),
        ("services: {a: {image: '${A'}}\n", "services.a.image: a brace is not closed"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, message: str) -> None:
    """What compose refuses is refused, with file and place."""
    write(tmp_path, {"compose.yml": text})

    with pytest.raises(ConfigError, match=message):
        read_project([tmp_path / "compose.yml"], {})
