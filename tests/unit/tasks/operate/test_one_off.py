"""The specification of a one-off task."""

from model.json_types import Json
from tasks.operate.one_off import one_off_spec

SERVICE: Json = {
    "Name": "web",
    "Labels": {"skep.site": "example"},
    "Mode": {"Replicated": {"Replicas": 5}},
    "UpdateConfig": {"Order": "start-first"},
    "EndpointSpec": {"Ports": [{"TargetPort": 80}]},
    "TaskTemplate": {
        "ContainerSpec": {
            "Image": "page",
            "Command": ["serve"],
            "Args": ["--port", "80"],
            "Env": ["A=b"],
            "Labels": {"traefik.enable": "true"},
            "Hostname": "web-{{.Task.Slot}}",
            "Secrets": [{"SecretID": "s"}],
            "Mounts": [{"Source": "data", "Target": "/data"}],
            "Healthcheck": {"Test": ["CMD", "true"]},
            "TTY": False,
        },
        "RestartPolicy": {"Condition": "any"},
        "Placement": {"Constraints": ["node.labels.skep.volume.data==true"]},
        "Networks": [{"Target": "net", "Aliases": ["web", "www"]}],
        "LogDriver": {"Name": "syslog"},
        "ForceUpdate": 3,
    },
}


def test_it_has_all_but_what_the_service_is_found_by() -> None:
    """Image, environment, secrets, volumes, place and networks stay; ports, further names, labels and checks go."""
    spec = one_off_spec(SERVICE, "web-run-1", ["migrate", "--all"])

    assert spec == {
        "Name": "web-run-1",
        "Mode": {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "page",
                "Command": ["migrate", "--all"],
                "Env": ["A=b"],
                "Secrets": [{"SecretID": "s"}],
                "Mounts": [{"Source": "data", "Target": "/data"}],
                "Healthcheck": {"Test": ["NONE"]},
                "TTY": False,
                "OpenStdin": False,
            },
            "RestartPolicy": {"Condition": "none"},
            "Placement": {"Constraints": ["node.labels.skep.volume.data==true"]},
            "Networks": [{"Target": "net"}],
            "LogDriver": {"Name": "json-file"},
        },
    }


def test_a_console_has_a_terminal() -> None:
    """Then its input is open, too; the service's own specification is as it was."""
    before = repr(SERVICE)
    container = one_off_spec(SERVICE, "web-run-1", ["sh"], ["TERM=vt100"])["TaskTemplate"]["ContainerSpec"]

    assert (container["TTY"], container["OpenStdin"]) == (True, True)
    assert container["Env"] == ["A=b", "TERM=vt100"]
    assert repr(SERVICE) == before


def test_it_has_an_init_where_hosts_have_one() -> None:
    """Signals, Ctrl-C too, would be lost on a command that is the container's process 1 and has no handler."""
    spec = one_off_spec(SERVICE, "web-run-1", ["sleep", "9"], has_init=True)

    assert spec["TaskTemplate"]["ContainerSpec"]["Init"] is True
