"""The tables of compose's keys: what the code knows, what the document says, what the specification has."""

from pathlib import Path

from model.compose.keys import SECTIONS, SERVICE, ComposeKey, why_not
from model.site_file.foreign_keys import instead

DOCUMENT = (Path(__file__).parents[4] / "docs" / "from-compose.md").read_text()
SPECIFICATION = """
    annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs container_name
    cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset
    credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search domainname
    entrypoint env_file environment expose extends external_links extra_hosts gpus group_add healthcheck
    hostname image init ipc isolation label_file labels links logging mac_address mem_limit mem_reservation
    mem_swappiness memswap_limit models network_mode networks oom_kill_disable oom_score_adj pid pids_limit
    platform ports post_start pre_stop privileged profiles provider pull_policy pull_refresh_after read_only
    restart runtime scale secrets security_opt shm_size stdin_open stop_grace_period stop_signal storage_opt
    sysctls tmpfs tty ulimits use_api_socket user userns_mode uts volumes volumes_from working_dir
"""
"""The keys of a service: compose-spec, schema/compose-spec.json, definitions/service."""


def table_row(key: str, known: ComposeKey) -> str:
    """Return a key's line in the document."""
    there = f"`{known.goes_to}`" if known.goes_to else "a comment"
    return f"| `{key}` | {there} | {known.remark} |"


def test_all_keys_of_a_service_are_known() -> None:
    """Those of the specification, and no others."""
    assert set(SERVICE) == set(SPECIFICATION.split())


def test_the_document_has_every_key() -> None:
    """Under the heading of its section, with where it goes or why not."""
    for heading, keys in SECTIONS.items():
        part = DOCUMENT.split(f"\n### {heading}\n", 1)[1].split("\n### ", 1)[0]
        rows = [line for line in part.splitlines() if line.startswith("| `")]
        assert rows == [table_row(key, known) for key, known in keys.items()], heading


def test_a_key_goes_somewhere_or_has_a_reason() -> None:
    """Nothing is lost without a word."""
    for keys in SECTIONS.values():
        for key, known in keys.items():
            assert known.goes_to or known.remark, key
            assert bool(known.goes_to) is (why_not(keys, key) == "")
    assert why_not(SERVICE, "nonsense") == "it is no key of compose's that skep knows"


def test_what_people_write_into_site_toml_is_answered_too() -> None:
    """A key of compose's that goes nowhere has an answer as well where it is written into site.toml itself."""
    rare = (
        "cpu_",
        "isolation",
        "develop",
        "label_file",
        "models",
        "pre_stop",
        "provider",
        "pull_",
        "use_api_socket",
    )
    for key, known in SERVICE.items():
        if not known.goes_to and not key.startswith(rare):
            assert instead("ServiceTable", key), key
