"""The files of a new site: one page, which answers as soon as the site is built. Pure."""

import re
from typing import Any, get_args

from model.new_site.stage_tables import stage_lines
from model.site.base import Domain

LONGEST_LABEL = 63
STATE_LINE = "state/"
"""What git must not keep: keys and secrets."""
GITIGNORE = f"""\
# made by doit: records, logs, and each stage's keys and secrets
{STATE_LINE}
"""
ROLE = "hello"
_SETUP = """\
#!/bin/sh
# Runs in a container of the image below (`from`); what it changes is the image's layer. Files lie beside it.
set -eu
apt-get update
apt-get install -y --no-install-recommends busybox
install -D -m 0644 files/index.html /srv/index.html
"""
_PAGE = """\
<!doctype html>
<title>{site}</title>
<h1>Hello from {site}</h1>
<p>This page is roles/hello/files/index.html. Change it, and run doit again.</p>
"""
_SITE = """\
{schema}
# {site}: made by `doit init`. `doit` builds it, `doit list` shows what is stale, `doit destroy` removes it.
# All keys: docs/site.md of skep.

site = "{site}"

{stage}

[bases."debian:13"]              # made here out of Debian's packages, since no registry is needed for it;
debootstrap = "trixie"           # without these two lines debian:13 is pulled

[images.hello]
from = "debian:13"
roles = ["hello"]                # roles/hello/setup.sh
entrypoint = ["busybox", "httpd", "-f", "-p", "80", "-h", "/srv"]

[services.hello]
image = "hello"
init = true
endpoint_mode = "dnsrr"          # works on every kernel; "vip" and ports without `mode` need ip_vs,
ports = [{{ target_port = 80, published_port = 80, mode = "host" }}]    # and balance over all hosts
"""


def site_name(directory: str) -> str:
    """Return a site's name, made from that of its directory.

    >>> site_name("My_Site (new)")
    'my-site-new'
    """
    labels = (
        re.sub(r"[^a-z0-9]+", "-", part).strip("-")[:LONGEST_LABEL].rstrip("-")
        for part in directory.lower().split(".")
    )
    return ".".join(label for label in labels if label) or "mysite"


def is_site_name(text: str) -> bool:
    """Return whether a site can be called so."""
    meta: Any = get_args(Domain)[1]
    return re.fullmatch(meta.pattern, text) is not None


def schema_line(place: str) -> str:
    """Return the first line of site.toml, by which editors with Taplo complete and check it.

    Args:
        place: The schema's path, from the site's directory.

    """
    return f"#:schema {place}"


def new_site(site: str, provider: str, cidr: str, schema: str) -> dict[str, str]:
    """Return the files of a new site, by their paths.

    Args:
        site: Its name.
        provider: Of its stage.
        cidr: A network that is free on this machine.
        schema: The path of the JSON Schema, from the site's directory.

    """
    stage = "\n".join(stage_lines(provider, cidr))
    return {
        f"roles/{ROLE}/setup.sh": _SETUP,
        f"roles/{ROLE}/files/index.html": _PAGE.format(site=site),
        ".gitignore": GITIGNORE,
        "site.toml": _SITE.format(site=site, stage=stage, schema=schema_line(schema)),
    }
