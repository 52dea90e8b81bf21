"""Compose and stack files of different kinds become sites that load, and nothing of them is lost silently.

The kinds are those of stack files that many people start from: a web application with a queue and a database,
monitoring with a task on each host, a proxy that reads labels, an agent with its server, a built application with
secrets. The texts are these tests' own.
"""

from pathlib import Path

from tests.unit.model.compose.conversion import converted

VOTING = """
    version: "3.9"
    services:
      queue:
        image: redis:alpine
        networks: [front]
      db:
        image: postgres:15-alpine
        environment:
          POSTGRES_USER: app
          POSTGRES_PASSWORD: changeme
        volumes: ["db-data:/var/lib/postgresql/data"]
        networks: [back]
      vote_page:
        image: example/vote
        ports: ["8080:80"]
        networks: [front]
        depends_on: [queue]
        deploy: {replicas: 2}
    networks: {front: , back: }
    volumes: {db-data: }
"""


def test_a_web_application_with_a_database(tmp_path: Path) -> None:
    """Networks, volumes and services stay; a name that the DNS can't have becomes another, with the old as alias."""
    made = converted(tmp_path, VOTING)

    assert made.data["networks"] == {"front": {}, "back": {}}
    assert made.data["volumes"] == {"db-data": {"hosts": ["hive0"]}}
    assert made.service("vote-page") == {
        "image": "example/vote:latest",
        "replicas": 2,
        "networks": [{"name": "front", "aliases": ["vote_page"]}],
        "ports": ["8080:80"],
        "depends_on": ["queue"],
    }
    assert made.service("db")["volumes"] == [{"source": "db-data", "target": "/var/lib/postgresql/data"}]
    assert "POSTGRES_PASSWORD: in plain text" in made.remarks("services", "db")


def test_monitoring(tmp_path: Path) -> None:
    """Global services, configs with other programs' braces, Docker's templates, variables with defaults, `$$`."""
    made = converted(
        tmp_path,
        """
        x-limits: &limits
          resources:
            limits: {memory: 128M, cpus: "0.5"}
            reservations: {memory: 64M}
        services:
          exporter:
            image: example/exporter:1
            environment: ["NODE={{.Node.ID}}"]
            command: ['--ignored=^/(sys|proc)($$|/)', '--keep=${KEEP:-24h}']
            volumes: ["/proc:/host/proc:ro", "/:/rootfs:ro,rslave", "cache:/cache"]
            deploy:
              <<: *limits
              mode: global
          board:
            image: example/board:2
            configs:
              - source: rules.yml
                target: /etc/rules.yml
                mode: 0440
              - plain
            deploy:
              <<: *limits
              placement:
                constraints: [node.role == manager, node.labels.disk == ssd, node.hostname == worker7]
                preferences: [{spread: node.labels.zone}]
        volumes: {cache: {}}
        configs:
          rules.yml: {file: rules.yml}
          plain: {content: "a = ${KEEP:-24h}"}
        """,
        files={"rules.yml": "text: '{{ $labels.host }} is down'\n"},
    )

    exporter, board = made.service("exporter"), made.service("board")
    assert exporter["mode"] == "global"
    assert exporter["environment"] == {"NODE": "{{ '{{.Node.ID}}' }}"}
    assert exporter["command"] == ["--ignored=^/(sys|proc)($|/)", "--keep={{ vars.KEEP }}"]
    assert made.data["vars"] == {"KEEP": "24h"}
    assert (exporter["mem_limit"], exporter["cpu_limit"], exporter["mem_reservation"]) == ("128M", 0.5, "64M")
    assert exporter["volumes"] == [
        {"type": "bind", "source": "/proc", "target": "/host/proc", "readonly": True},
        {"type": "bind", "source": "/", "target": "/rootfs", "readonly": True, "propagation": "rslave"},
        {"source": "cache", "target": "/cache"},
    ]
    assert made.data["volumes"] == {"cache": {"hosts": "each"}}
    assert made.data["configs"] == {
        "rules-yml": {"file": "rules.yml", "template": False},
        "plain": {"text": "a = {{ vars.KEEP }}"},
    }
    assert board["configs"] == [{"source": "rules-yml", "target": "/etc/rules.yml", "mode": "0440"}, "plain"]
    assert board["placement"] == {
        "constraints": ["node.role == manager", "node.labels.disk == ssd"],
        "preferences": ["node.labels.zone"],
    }
    assert made.data["stages"]["private"]["node_labels"] == {"hive0": {"disk": "ssd"}}
    assert "node.hostname == worker7 -- hosts are hive0" in made.remarks("services", "board")


def test_a_proxy_that_reads_labels(tmp_path: Path) -> None:
    """Labels of services and of containers stay apart; a variable that must be given has its message beside it."""
    made = converted(
        tmp_path,
        """
        services:
          edge:
            image: traefik:v3
            ports:
              - {target: 80, published: 80, mode: host}
              - {target: 443, published: "443", protocol: udp, mode: host, app_protocol: quic}
              - "127.0.0.1:9000:9000"
            volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]
            networks: [public, default]
            labels: ["com.example.team=web"]
            deploy:
              labels:
                - traefik.enable=true
                - traefik.http.routers.edge.rule=Host(`edge.${DOMAIN?say where}`)
        networks:
          public: {external: true, name: traefik-public}
        """,
    )

    edge = made.service("edge")
    assert edge["ports"] == [
        {"target_port": 80, "published_port": 80, "mode": "host"},
        {"target_port": 443, "published_port": 443, "protocol": "udp", "mode": "host"},
        {"target_port": 9000, "published_port": 9000, "open_to": "stage"},
    ]
    assert edge["labels"] == {
        "traefik.enable": "true",
        "traefik.http.routers.edge.rule": "Host(`edge.{{ vars.DOMAIN }}`)",
    }
    assert edge["container_labels"] == {"com.example.team": "web"}
    assert edge["networks"] == ["public", "site"]
    assert made.data["networks"]["public"] == {"external": True, "name": "traefik-public"}
    assert made.data["vars"] == {"DOMAIN": ""}
    assert "DOMAIN had no value when this was made: say where" in made.comments
    assert "app_protocol: quic -- it means nothing to the swarm" in made.remarks("services", "edge")
    assert "127.0.0.1:9000:9000 -- for this machine alone" in made.remarks("services", "edge")


def test_an_agent_with_its_server(tmp_path: Path) -> None:
    """`tasks.<service>` and commands that are texts go on to work; global services need no host for their mounts."""
    made = converted(
        tmp_path,
        """
        services:
          agent:
            image: example/agent
            environment: {AGENT_CLUSTER_ADDR: tasks.agent}
            volumes: ["/var/run/docker.sock:/var/run/docker.sock", "/srv/agent:/data"]
            deploy: {mode: global, placement: {constraints: [node.platform.os == linux]}}
          server:
            image: example/server
            command: -H tcp://tasks.agent:9001 --tlsskipverify 'two words'
            ports: ["9443:9443"]
            volumes: ["data:/data"]
            deploy: {placement: {constraints: [node.role == worker]}}
        volumes: {data: }
        """,
    )

    assert made.service("server")["command"] == [
        "-H",
        "tcp://tasks.agent:9001",
        "--tlsskipverify",
        "two words",
    ]
    assert made.service("agent")["volumes"][1]["hosts"] == "each"
    assert "placement" not in made.service("server")
    assert "node.role == worker -- all hosts are managers" in made.remarks("services", "server")


def test_a_built_application_with_secrets(tmp_path: Path) -> None:
    """Images are built here; files beside the compose file become configs; `.env` gives secrets that git never sees."""
    made = converted(
        tmp_path,
        """
        name: shop
        services:
          app:
            build: {context: app, target: final, args: [VERSION=2, MISSING]}
            image: example/app
            env_file: [app.env, {path: none.env, required: false}]
            environment:
              DB_PASSWORD: ${DB_PASSWORD}
              TZ: ${TZ}
              FROM_THE_SHELL:
            secrets: [db-password, {source: tls.key, target: key.pem, mode: 0400}]
            volumes: ["./app/src:/src", "./conf/app.conf:/etc/app.conf:ro", "./data:/data", "/cache"]
            depends_on:
              db: {condition: service_healthy, restart: true}
              seed: {condition: service_completed_successfully}
          db:
            image: postgres
            user: postgres
            restart: on-failure:3
            healthcheck: {test: ["CMD", "pg_isready"], interval: 10s, timeout: 1m, start_period: 9s, start_interval: 2s}
          seed:
            build: ./seed
            restart: "no"
          debug:
            image: example/debug:1
            profiles: [debug]
        secrets:
          db-password: {file: ./db/password.txt}
          tls.key: {external: true}
        """,
        files={
            ".env": "DB_PASSWORD='hunter2'\nTZ=Asia/${CITY:-Tokyo}\n",
            "app/Dockerfile": "FROM scratch AS final\n",
            "app/src/main": "x\n",
            "seed/Dockerfile": "FROM scratch\n",
            "app.env": "MODE=fast\n",
            "conf/app.conf": "a = 1\n",
            "db/password.txt": "secret\n",
        },
        environment={"FROM_THE_SHELL": "yes"},
    )

    app = made.service("app")
    assert made.data["images"] == {
        "app": {"build": {"context": "app", "target": "final", "args": {"VERSION": "2"}}},
        "seed": {"build": "seed"},
    }
    assert app["env_file"] == ["app.env"]
    assert app["environment"] == {
        "DB_PASSWORD": "{{ secrets.db_password }}",
        "TZ": "{{ vars.TZ }}",
        "FROM_THE_SHELL": "{{ vars.FROM_THE_SHELL }}",
    }
    assert made.data["vars"] == {"TZ": "Asia/Tokyo", "FROM_THE_SHELL": "yes"}
    assert made.data["secrets"] == {
        "db-password": {"file": "db/password.txt"},
        "tls-key": {"file": "secrets/tls-key"},
        "db_password": {"file": "secrets/db_password"},
    }
    assert (tmp_path / "secrets/db_password").read_text() == "hunter2"
    assert "hunter2" not in made.text
    assert app["secrets"] == [
        {"source": "db-password", "mode": "0444"},
        {"source": "tls-key", "target": "key.pem", "mode": "0400"},
    ]
    assert app["configs"] == [{"source": "app-app-conf", "target": "/etc/app.conf"}]
    assert app["volumes"] == [
        {"source": "data", "target": "/data"},
        {"source": "app-cache", "target": "/cache"},
    ]
    assert app["depends_on"] == ["db", "seed"]
    assert made.service("db") == {
        "image": "postgres:latest",
        "user": "postgres",
        "healthcheck": {
            "test": ["CMD", "pg_isready"],
            "interval": "10s",
            "timeout": "1m",
            "start_period": "9s",
            "start_interval": "2s",
        },
        "restart_config": {"condition": "on-failure", "max_attempts": 3},
    }
    assert made.service("seed") == {
        "image": "seed",
        "restart_config": {"condition": "none"},
        "mode": "replicated-job",
    }
    assert made.service("debug")["replicas"] == 0
    remarks = made.remarks("services", "app")
    assert "./app/src:/src -- in the image already" in remarks
    assert "env_file: none.env -- there was no such file, and it need not be there" in remarks
    assert "depends_on.db.restart: true" in remarks
    assert "MISSING -- had no value" in made.remarks("images", "app")


def test_secrets_stay_out_of_site_toml(tmp_path: Path) -> None:
    """In the environment and in contents of configs they are templates; where there are none, a remark says so."""
    made = converted(
        tmp_path,
        """
        services:
          app:
            image: "example/app:${API_KEY}"
            environment:
              URL: "https://u:${API_KEY}@example.org/{x"
              PIN: $PIN_TOKEN
            configs: [conf]
          on: {image: "example/on:1", profiles: [extra]}
        configs:
          conf: {content: "key = ${API_KEY}\\nbrace = {{ kept }}"}
        volumes:
          v: {driver_opts: {type: none, o: bind, device: "${PWD}/data"}}
        """,
        files={".env": "API_KEY=k3y5\nPIN_TOKEN=123\nCOMPOSE_PROFILES=other, extra\n"},
        environment={"PWD": str(tmp_path)},
    )

    assert made.service("app")["environment"] == {
        "URL": "https://u:{{ secrets.api_key }}@example.org/{x",
        "PIN": "{{ vars.PIN_TOKEN }}",  # skep keeps no secret of three characters
    }
    assert made.data["configs"]["conf"] == {"text": "key = {{ secrets.api_key }}\nbrace = {{ '{{ kept }}' }}"}
    assert "API_KEY: a secret in plain text here, in image" in made.remarks("services", "app")
    assert "image: example/app:${API_KEY} -- " in made.remarks("services", "app")
    assert "replicas" not in made.service("on")
    assert "is a directory of this machine" in made.remarks("volumes", "v")


def test_files_of_variables(tmp_path: Path) -> None:
    """One that skep reads as well stays a file, wherever the site is; else its variables are in the environment."""
    made = converted(
        tmp_path,
        """
        services:
          one: {image: "example/one:1", env_file: one.env}
          two: {image: "example/two:1", env_file: [two.env], environment: {B: mine}}
        """,
        files={"one.env": "PASSWORD='a$$b'\n", "two.env": "A=${C:-c}/x\nB=file\nDB_PASSWORD=hunter2\n"},
    )

    assert made.service("one") == {"image": "example/one:1", "env_file": ["one.env"]}
    assert made.service("two") == {
        "image": "example/two:1",
        "environment": {"A": "{{ vars.C }}/x", "B": "mine", "DB_PASSWORD": "{{ secrets.db_password }}"},
    }
    assert "hunter2" not in made.text
    assert "two.env has variables in its values" in made.remarks("services", "two")


def test_without_ip_vs(tmp_path: Path) -> None:
    """On a kernel without ip_vs services have host ports, and one task where two would need the same one."""
    made = converted(tmp_path, VOTING, has_ip_vs=False)

    vote = made.service("vote-page")
    assert vote["ports"] == [{"target_port": 80, "published_port": 8080, "mode": "host"}]
    assert (vote["endpoint_mode"], vote["replicas"]) == ("dnsrr", 1)
    assert made.service("db")["endpoint_mode"] == "dnsrr"
    assert "replicas: 2 -- two tasks on one host" in made.remarks("services", "vote-page")
    assert "has no ip_vs" in made.comments


def test_what_site_toml_refuses_becomes_a_remark(tmp_path: Path) -> None:
    """The site loads all the same: a value, an item or a whole service is a comment with the reason of the check."""
    made = converted(
        tmp_path,
        """
        services:
          a:
            image: example/a:1
            cap_add: [NET_ADMIN, NONSENSE]
            ports: ["80:80", "80:8080", "x:y"]
            ulimits: {nofile: 10, nonsense: 5}
            stop_signal: SIGNONSENSE
            working_dir: relative
            depends_on: [b]
            deploy: {placement: {constraints: ["node.nonsense == 1"]}}
          b:
            environment: {A: 1}
            depends_on: [a]
          web: {image: "example/web:1", networks: [host]}
        networks: {host: {external: true}}
        """,
    )

    assert made.service("a") == {
        "image": "example/a:1",
        "cap_add": ["NET_ADMIN"],
        "ports": ["80:80"],
        "ulimits": {"nofile": 10},
    }
    assert made.service("web")["networks"] == ["host"]
    assert "b" not in made.data["services"]
    remarks = made.remarks("services", "a")
    for lost in (
        "cap_add: NONSENSE -- ",
        "ports: 80:8080 -- ",
        "ports: x:y -- ",
        "ulimits",
        "stop_signal: SIGNONSENSE -- ",
        "working_dir: relative -- ",
        "depends_on: b -- there is no service",
        "placement.constraints: node.nonsense == 1 -- ",
    ):
        assert lost in remarks, remarks
    assert "# [services.b]" in made.text
    assert "# environment = { A = 1 }" in made.text
    assert "left out: the key 'image' is missing" in made.remarks("services", "b")


def test_every_key_is_in_the_site_or_beside_it(tmp_path: Path) -> None:
    """Keys that mean nothing here are remarks with their value, also such as nobody knows."""
    made = converted(
        tmp_path,
        """
        models: {llm: {model: ai/small}}
        services:
          a:
            image: example/a:1
            privileged: true
            devices: ["/dev/ttyUSB0:/dev/ttyUSB0"]
            gpus: all
            pids_limit: 100
            nonsense: {a: [1, "two"]}
            x-team: web
            deploy:
              resources: {limits: {pids: 5}, reservations: {devices: [{capabilities: [gpu]}]}}
              nonsense: 1
            networks: {default: {ipv4_address: 10.0.0.5, priority: 10}}
            volumes: [{type: volume, source: v, target: /v, volume: {subpath: x, nocopy: true}}]
            tmpfs: ["/run:size=64m,mode=1777,noexec"]
        volumes: {v: {name: other}}
        networks: {default: {driver: bridge, enable_ipv6: true}}
        """,
    )

    for lost in (
        "privileged: true -- ",
        'devices: ["/dev/ttyUSB0:/dev/ttyUSB0"] -- ',
        "gpus: all -- ",
        "pids_limit: 100 -- ",
        'nonsense: {"a": [1, "two"]} -- it is no key of compose',
        "x-team: web -- ",
        "deploy.resources.limits.pids: 5 -- ",
        'deploy.resources.reservations.devices: [{"capabilities": ["gpu"]}] -- ',
        "deploy.nonsense: 1 -- ",
        "networks.default.ipv4_address: 10.0.0.5 -- ",
        "networks.default.priority: 10 -- ",
        "volumes (/v).volume.subpath: x -- ",
        "volumes (/run): noexec -- ",
    ):
        assert lost in made.remarks("services", "a"), lost
    assert "name: other -- " in made.remarks("volumes", "v")
    assert "driver: bridge -- " in made.remarks("networks", "site")
    assert 'models: {"llm": {"model": "ai/small"}} -- ' in made.comments
    assert made.service("a")["volumes"] == [
        {"source": "v", "target": "/v", "no_copy": True},
        {"type": "tmpfs", "target": "/run", "tmpfs_size": "64M", "tmpfs_mode": "1777"},
    ]
