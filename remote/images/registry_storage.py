"""Scripts that read and mend the registry's storage on its host. Pure."""

LOCAL_BASES = ("skep/base", "skep/dockerfile")
"""The names, with keys as tags, that bases and Dockerfiles' images have on the repository's engine."""
PUSHED_LAYERS = "skep/layer"
"""The registry's repository of layers that were pushed before the image that has them; their keys are the tags."""
REPOSITORIES = "/var/lib/docker-registry/docker/registry/v2/repositories"

# Without a process for each tag: there may be hundreds. A tag counts if its digest and its manifest can be read.
TAGS = f"""
cd {REPOSITORIES} 2>/dev/null && find . -path '*/_manifests/tags/*/current/link' -size +0 | while read -r link; do
    digest=
    read -r digest <"$link" || [ -n "$digest" ] || continue
    hex=${{digest#*:}}
    [ -s "../blobs/${{digest%%:*}}/${{hex%"${{hex#??}}"}}/$hex/data" ] && echo "$link"
done || true
"""
"""Prints the file of each tag that can be read."""


def mend_script() -> str:
    """Return a script that removes links and blobs without content, and prints them: a full disk leaves such.

    The registry answers 500 where it meets one. It remembers which blobs it has, and so is started anew.
    """
    return f"""
cd {REPOSITORIES} 2>/dev/null || exit 0
broken=$(find . ../blobs -type f \\( -name link -o -name data \\) -size 0 ! -path '*/_uploads/*' ! -path '*/e3b0c442*')
[ -n "$broken" ] || exit 0
echo "$broken"
find . ../blobs -type f \\( -name link -o -name data \\) -size 0 ! -path '*/_uploads/*' ! -path '*/e3b0c442*' -delete
unit=docker-registry.service
[ -e /lib/systemd/system/$unit ] || unit=docker-distribution.service
systemctl try-restart $unit
"""
