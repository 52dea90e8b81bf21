"""Roles of skep's own that a certificate takes: Python, the CA's trust, and the certificate."""

import pytest

from tests.integration.one_host_site.one_host import OneHost

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]


@pytest.mark.full
def test_certificates_of_the_sites_ca_on_debian(site: OneHost) -> None:
    """Python in an image of Debian trusts the site's CA, and so accepts the certificate that the role gets."""
    check = (
        "import ssl; c = ssl.create_default_context();"
        "s = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); s.load_cert_chain('/etc/tls/tls.crt', '/etc/tls/tls.key');"
        "a, b, d, e = ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO(), ssl.MemoryBIO();"
        "x = c.wrap_bio(a, b, server_hostname='www.example.com'); y = s.wrap_bio(b, a, server_side=True)\n"
        "for o in (x, y, x, y):\n"
        "    try: o.do_handshake()\n"
        "    except ssl.SSLWantReadError: pass\n"
        "print(x.getpeercert()['subjectAltName'])"
    )
    site.write(
        '[bases."debian:13"]\ndebootstrap = "trixie"\n'
        '[images.tls]\nfrom = "debian:13"\nvars = { NAMES = "www.example.com", DIRECTORY = "/etc/tls" }\n'
        'roles = ["python", "trust-ca", "certificate"]\ncommand = ["sleep", "1000000"]\n'
        '[services.tls]\nimage = "tls"\nendpoint_mode = "dnsrr"\nstop_grace_period = "1s"\n'
    )

    site.ran()

    container = "$(docker ps -q -f label=com.docker.swarm.service.name=tls | head -n 1)"
    output = site.on_host(f"docker exec -i {container} python3 - <<'END'\n{check}\nEND\n")
    assert output.strip() == "(('DNS', 'www.example.com'),)"
    assert site.on_host(f"docker exec {container} stat -c %a:%U /etc/tls/tls.key").strip() == "600:root"
    assert site.ran() == {}
