"""The configuration of OpenStack's services: one machine, no agents, no message broker, nothing outside a directory."""

import configparser
import os
import shutil
from pathlib import Path
from typing import Any

DATABASE = "mariadb"
SERVICES = ("keystone", "nova", "placement", "neutron", "cinder", "glance", "manila")
"""In the order in which they are started: nova takes longest."""
_ORDER = ("keystone", DATABASE, "placement", "glance", "neutron", "nova", "cinder", "manila")
"""In the order of their ports."""
PORTS = len(_ORDER)
REGION = "RegionOne"
ZONES = ("az1", "az2", "az3")
SHARES = ("plain", "served")
"""Manila's backends, and the types of shares for each: with servers of the cloud's own, and of a project's network."""
_SCHEMAS = (
    "keystone",
    "placement",
    "glance",
    "neutron",
    "nova",
    "nova_api",
    "nova_cell0",
    "cinder",
    "manila",
)
_PASTE = {
    "glance/glance-api-paste.ini": "glance-api-paste.ini",
    "neutron/api-paste.ini": "neutron-api-paste.ini",
    "nova/api-paste.ini": "nova-api-paste.ini",
    "cinder/api-paste.ini": "cinder-api-paste.ini",
    "cinder/resource_filters.json": "resource_filters.json",
    "manila/api-paste.ini": "manila-api-paste.ini",
}
"""What the packages bring, and what it is called here."""

Table = dict[str, dict[str, Any]]


class Settings:
    """What the services of one directory are told.

    Args:
        run: Where they keep everything.
        log: Where they write what they do.
        port: The first port.
        secret: The password of every user, and of the database.

    """

    def __init__(self, run: Path, log: Path, port: int, secret: str) -> None:
        self.run, self.log, self.secret = run, log, secret
        self.ports = {name: port + i for i, name in enumerate(_ORDER)}

    def url(self, name: str) -> str:
        """Return where a service is."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def environment(self) -> dict[str, str]:
        """Return the variables by which the services find their files."""
        etc = str(self.run / "etc")
        return {
            "OS_KEYSTONE_CONFIG_DIR": etc,
            "OS_KEYSTONE_CONFIG_FILES": "keystone.conf",
            "OS_PLACEMENT_CONFIG_DIR": etc,
            "OS_GLANCE_CONFIG_DIR": etc,
            "OS_GLANCE_CONFIG_FILES": "glance-api.conf",
            "OS_NEUTRON_CONFIG_DIR": etc,
            "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2.ini",
            "OS_NOVA_CONFIG_DIR": etc,
            "OS_CINDER_CONFIG_DIR": etc,
        }

    def clouds(self) -> str:
        """Return clouds.yaml for an ordinary user (`loopback`), one who may only look, and the administrator."""
        lines = ["clouds:"]
        for cloud, user, project in (
            ("loopback", "demo", "demo"),
            ("loopback-reader", "onlooker", "demo"),
            ("loopback-admin", "admin", "admin"),
        ):
            lines += [f"  {cloud}:", f"    region_name: {REGION}", "    auth:"]
            auth = {
                "auth_url": f"{self.url('keystone')}/v3",
                "username": user,
                "password": self.secret,
                "project_name": project,
                "user_domain_id": "default",
                "project_domain_id": "default",
            }
            lines += [f"      {name}: {value}" for name, value in auth.items()]
        return "\n".join(lines) + "\n"

    def write(self, environment: Path) -> None:
        """Write all files, and make the directories that they name."""
        etc = self.run / "etc"
        below = (
            "images",
            "staging",
            "tasks",
            "lock",
            "nova/instances",
            "neutron",
            "cinder/locks",
            "manila/locks",
        )
        for name in ("etc", "keys/fernet", "keys/credential", *below):
            (self.run / name).mkdir(parents=True, exist_ok=True)
        for source, target in _PASTE.items():
            shutil.copy(environment / "etc" / source, etc / target)
        for name, table in self._files().items():
            _write(etc / name, table)
        # One statement to a line: of two on one, MariaDB runs the first.
        statements = [
            f"CREATE USER IF NOT EXISTS os@127.0.0.1 IDENTIFIED BY '{self.secret}';",
            "GRANT ALL ON *.* TO os@127.0.0.1;",
            *(f"CREATE DATABASE IF NOT EXISTS {name};" for name in _SCHEMAS),
        ]
        (etc / "init.sql").write_text("\n".join(statements) + "\n")

    # -- what several files say ----------------------------------------------------------------------------------------

    def _service(self, name: str, file: str, schema: str = "", group: str = "database") -> Table:
        """Return what every service is told."""
        login = f"os:{self.secret}@127.0.0.1:{self.ports[DATABASE]}"
        return {
            "DEFAULT": {"log_file": self.log / f"{file}.log", "use_stderr": "false"},
            group: {
                "connection": f"mysql+pymysql://{login}/{schema or name}",
                "max_pool_size": 20,
                "max_overflow": 40,
            },
            "oslo_concurrency": {"lock_path": self.run / "lock"},
            "oslo_messaging_notifications": {"driver": "noop"},
        }

    def _user(self) -> dict[str, Any]:
        """Return how a service signs in at another."""
        return {
            "auth_type": "password",
            "auth_url": f"{self.url('keystone')}/v3",
            "username": "service",
            "password": self.secret,
            "project_name": "service",
            "user_domain_id": "default",
            "project_domain_id": "default",
            "region_name": REGION,
        }

    def _guard(self) -> dict[str, Any]:
        """Return how a service sees to who asks.

        Cinder lets go of an attached volume only where the caller shows that it is a service.
        """
        return {
            "www_authenticate_uri": f"{self.url('keystone')}/v3",
            "service_token_roles": "service",
            "service_token_roles_required": "true",
            **self._user(),
        }

    # -- the files -----------------------------------------------------------------------------------------------------

    def _files(self) -> dict[str, Table]:
        """Return all configuration files."""
        return {
            "keystone.conf": self._keystone(),
            "placement.conf": self._placement(),
            "glance-api.conf": self._glance(),
            "neutron.conf": self._neutron(),
            "ml2.ini": _ML2,
            "nova.conf": self._nova(),
            "cinder.conf": self._cinder(),
            "manila.conf": self._manila(),
        }

    def _keystone(self) -> Table:
        keys = self.run / "keys"
        return {
            **self._service("keystone", "keystone"),
            "token": {"provider": "fernet"},
            "fernet_tokens": {"key_repository": keys / "fernet"},
            "fernet_receipts": {"key_repository": keys / "fernet"},
            "credential": {"key_repository": keys / "credential"},
            # Each token is paid for with this.
            "identity": {"password_hash_rounds": 4},
        }

    def _placement(self) -> Table:
        return {
            **self._service("placement", "placement", group="placement_database"),
            "api": {"auth_strategy": "keystone"},
            "keystone_authtoken": self._guard(),
        }

    def _glance(self) -> Table:
        found = self._service("glance", "glance")
        found["DEFAULT"] |= {
            "bind_host": "127.0.0.1",
            "bind_port": self.ports["glance"],
            "enabled_backends": "files:file",
            "workers": 0,
        }
        stores = {
            "files": "images",
            "os_glance_staging_store": "staging",
            "os_glance_tasks_store": "tasks",
        }
        return {
            **found,
            "glance_store": {"default_backend": "files"},
            **{name: {"filesystem_store_datadir": self.run / place} for name, place in stores.items()},
            "paste_deploy": {"flavor": "keystone", "config_file": self.run / "etc/glance-api-paste.ini"},
            "keystone_authtoken": self._guard(),
        }

    def _neutron(self) -> Table:
        found = self._service("neutron", "neutron")
        found["DEFAULT"] |= {
            "state_path": self.run / "neutron",
            "bind_host": "127.0.0.1",
            "bind_port": self.ports["neutron"],
            "core_plugin": "ml2",
            "service_plugins": "router",
            "transport_url": "fake://",
            "auth_strategy": "keystone",
            "api_workers": 1,
            "rpc_workers": 0,
            "dhcp_agent_notification": "false",
            "notify_nova_on_port_status_changes": "false",
            "notify_nova_on_port_data_changes": "false",
            "api_paste_config": self.run / "etc/neutron-api-paste.ini",
        }
        # A network that is deleted is looked for in both.
        others = {name: self._user() for name in ("placement", "nova")}
        return {**found, **others, "keystone_authtoken": self._guard()}

    def _nova(self) -> Table:
        found = self._service("nova", "nova")
        api = self._service("nova", "nova", "nova_api", "api_database")["api_database"]
        found["DEFAULT"] |= {
            "state_path": self.run / "nova",
            "instances_path": self.run / "nova/instances",
            "transport_url": "fake://",
            "compute_driver": "fake.FakeDriver",
            "my_ip": "127.0.0.1",
            "host": "control",
            "osapi_compute_listen": "127.0.0.1",
            "osapi_compute_listen_port": self.ports["nova"],
            "enabled_apis": "osapi_compute",
            "vif_plugging_is_fatal": "false",
            "vif_plugging_timeout": 0,
            # A zone has one host.
            "allow_resize_to_same_host": "true",
            # Three seconds by default between two looks at a volume that is being made.
            "block_device_allocate_retries": 600,
            "block_device_allocate_retries_interval": 0,
        }
        return {
            **found,
            "api": {"auth_strategy": "keystone"},
            "api_database": api,
            "glance": {"api_servers": self.url("glance")},
            "neutron": {
                "service_metadata_proxy": "false",
                "default_floating_pool": "public",
                **self._user(),
            },
            "placement": self._user(),
            "cinder": {
                "catalog_info": "volumev3:cinder:publicURL",
                "os_region_name": REGION,
                **self._user(),
            },
            "service_user": {"send_service_user_token": "true", **self._user()},
            "filter_scheduler": {"track_instance_changes": "false"},
            "vnc": {"enabled": "false"},
            "wsgi": {"api_paste_config": self.run / "etc/nova-api-paste.ini"},
            "keystone_authtoken": self._guard(),
        }

    def _cinder(self) -> Table:
        found = self._service("cinder", "cinder")
        found["DEFAULT"] |= {
            "state_path": self.run / "cinder",
            "my_ip": "127.0.0.1",
            "host": "volumes",
            "transport_url": "fake://",
            "auth_strategy": "keystone",
            "osapi_volume_listen": "127.0.0.1",
            "osapi_volume_listen_port": self.ports["cinder"],
            "api_paste_config": self.run / "etc/cinder-api-paste.ini",
            "resource_query_filters_file": self.run / "etc/resource_filters.json",
            "enabled_backends": ",".join(ZONES),
            # A minute by default, in which nothing is there to wait for.
            "scheduler_driver_init_wait_time": 1,
            # Of several services in one process only the last one is heard of: none may count as down.
            "service_down_time": 31536000,
            "default_availability_zone": ZONES[0],
            "storage_availability_zone": ZONES[0],
            "allow_availability_zone_fallback": "true",
            "glance_api_servers": self.url("glance"),
        }
        backends = {
            zone: {
                "volume_driver": "loopback_volume.Driver",
                "volume_backend_name": "loopback",
                "backend_availability_zone": zone,
            }
            for zone in ZONES
        }
        return {
            **found,
            "coordination": {"backend_url": f"file://{self.run}/cinder/locks"},
            "nova": self._user(),
            "service_user": {"send_service_user_token": "true", **self._user()},
            **backends,
            "keystone_authtoken": self._guard(),
        }

    def _manila(self) -> Table:
        found = self._service("manila", "manila")
        found["DEFAULT"] |= {
            "state_path": self.run / "manila",
            "my_ip": "127.0.0.1",
            "host": "shares",
            "transport_url": "fake://",
            "auth_strategy": "keystone",
            "osapi_share_listen": "127.0.0.1",
            "osapi_share_listen_port": self.ports["manila"],
            "api_paste_config": self.run / "etc/manila-api-paste.ini",
            "enabled_share_backends": ",".join(SHARES),
            "enabled_share_protocols": "NFS",
            "default_share_type": SHARES[0],
            "storage_availability_zone": ZONES[0],
            "service_down_time": 31536000,
            # By default half a minute in which nothing is there to wait for.
            "periodic_fuzzy_delay": 1,
        }
        backends = {
            name: {
                "share_driver": "loopback_share.Driver",
                "share_backend_name": name,
                "driver_handles_share_servers": name == "served",
            }
            for name in SHARES
        }
        return {
            **found,
            "coordination": {"backend_url": f"file://{self.run}/manila/locks"},
            "neutron": {"url": self.url("neutron"), **self._user()},
            **backends,
            # In a group of its own: Manila's share service registers options in this one that differ from the guard's.
            "keystone_authtoken": {"auth_section": "guard", **self._guard()},
            "guard": self._user(),
        }


_ML2: Table = {
    "ml2": {
        "type_drivers": "flat,vlan,local,vxlan",
        "tenant_network_types": "vxlan",
        "mechanism_drivers": "loopback",
        "extension_drivers": "port_security",
    },
    "ml2_type_flat": {"flat_networks": "*"},
    "ml2_type_vxlan": {"vni_ranges": "1:1000"},
    "securitygroup": {"enable_security_group": "true"},
}


def _write(path: Path, table: Table) -> None:
    """Write one file, which only its owner can read."""
    config = configparser.RawConfigParser(default_section="none")
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read_dict({name: {key: str(value) for key, value in part.items()} for name, part in table.items()})
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123 - with a mode
        config.write(file)
