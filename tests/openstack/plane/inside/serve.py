"""`serve.py NAME PORT`: run a service on the loopback, by the services' own environment. PORT is the plane's first.

What would talk through a message broker is in one process, where oslo.messaging's `fake://` carries its messages: nova
with its conductor, scheduler and a compute host for each zone, cinder with its scheduler and a backend for each zone,
manila with its scheduler and two backends.
"""

import importlib
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

ORDER = ("keystone", "mariadb", "placement", "glance", "neutron", "nova", "cinder", "manila")
ZONES = ("az1", "az2", "az3")
SECONDS = 200.0

load: Callable[[str], Any] = importlib.import_module
"""The services' modules have no types that skep's checks could know."""


def wait_for(*ports: int) -> None:
    """Return when something answers at each port, whatever it says."""
    deadline = time.monotonic() + SECONDS
    for port in ports:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit(f"nothing answers at port {port}")
                time.sleep(0.2)


def plain(name: str) -> Any:
    """Return a service that is its API alone."""
    sys.argv = [name]  # which it would read
    return load(f"{name}.wsgi.api").application


def nova(base: int) -> Any:
    """Return Nova's API, with the rest of Nova at work beside it."""
    sys.argv = ["nova", "--config-file", f"{os.environ['OS_NOVA_CONFIG_DIR']}/nova.conf"]
    load("nova.monkey_patch").patch(backend="threading")  # before anything else of it is loaded
    conf = load("nova.conf").CONF
    load("nova.config").parse_args(sys.argv)
    load("oslo_log.log").setup(conf, "nova")
    objects, service = load("nova.objects"), load("nova.service")
    objects.register_all()
    objects.Service.enable_min_version_cache()
    application = load("nova.api.wsgi").Loader().load_app("osapi_compute")
    # Scheduler and hosts give up at once where the catalogue can't be had.
    wait_for(base + ORDER.index("keystone"), base + ORDER.index("placement"))
    hosts = [("nova-compute", f"host-{zone}") for zone in ZONES]
    for binary, host in (("nova-conductor", None), ("nova-scheduler", None), *hosts):
        # What a host begins and another ends, as a resize, comes by a topic of its own.
        alternative = {"topic_alt": "compute-alt"} if host is not None else {}
        service.Service.create(binary=binary, host=host, **alternative).start()
    load("nova.objects.host_mapping").discover_hosts(load("nova.context").get_admin_context())
    return application


def cinder(base: int) -> Any:
    """Return Cinder's API, with the rest of Cinder at work beside it."""
    os.environ["OS_CINDER_DISABLE_EVENTLET_PATCHING"] = (
        "true"  # it and the server's threads don't go together
    )
    sys.argv = ["cinder", "--config-file", f"{os.environ['OS_CINDER_CONFIG_DIR']}/cinder.conf"]
    load("cinder.monkey_patch").patch()
    service = load("cinder.service").Service
    application = load("cinder.wsgi.wsgi").initialize_application()
    wait_for(base + ORDER.index("keystone"))
    conf = load("oslo_config.cfg").CONF
    # First, so that it hears what the backends have.
    service.create(binary="cinder-scheduler").start()
    for backend in conf.enabled_backends:
        host = f"{conf.host}@{backend}"
        service.create(host=host, service_name=backend, binary="cinder-volume", coordination=True).start()
    return application


def manila(base: int) -> Any:
    """Return Manila's API, with the rest of Manila at work beside it."""
    sys.argv = ["manila", "--config-file", f"{os.environ['OS_NOVA_CONFIG_DIR']}/manila.conf"]
    load("manila.monkey_patch").patch(backend="threading")
    application = load("manila.wsgi.wsgi").initialize_application()
    service = load("manila.service").Service
    wait_for(base + ORDER.index("keystone"))
    conf = load("oslo_config.cfg").CONF
    service.create(binary="manila-scheduler", coordination=True).start()
    for backend in conf.enabled_share_backends:
        host = f"{conf.host}@{backend}"
        service.create(host=host, service_name=backend, binary="manila-share", coordination=True).start()
    return application


def main() -> None:
    """Serve until ended."""
    name, base = sys.argv[1], int(sys.argv[2])
    whole = {"nova": nova, "cinder": cinder, "manila": manila}
    application = whole[name](base) if name in whole else plain(name)
    serving = load("werkzeug.serving")
    # openstacksdk asks many small things: one connection for all of them.
    serving.WSGIRequestHandler.protocol_version = "HTTP/1.1"
    # Else an answer's second part waits 40 ms for the first to be acknowledged.
    serving.WSGIRequestHandler.disable_nagle_algorithm = True
    serving.make_server("127.0.0.1", base + ORDER.index(name), application, threaded=True).serve_forever()


if __name__ == "__main__":
    main()
