"""The keys of other people's files: of the compose specification's schema (July 2026), and of hive-builder's inventory.

Facts from compose-spec/compose-spec, schema/compose-spec.json, and procube-open/hive-builder, docs/inventory.rst.
"""

WALKED = {
    "SiteTable": ("configs include models name networks secrets services version volumes "),
    "ServiceTable": (
        "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs "
        "container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares "
        "cpus cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt "
        "dns_search domainname entrypoint env_file environment expose extends external_links extra_hosts gpus "
        "group_add healthcheck hostname image init ipc isolation label_file labels links logging mac_address "
        "mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable "
        "oom_score_adj pid pids_limit platform ports post_start pre_stop privileged profiles provider "
        "pull_policy pull_refresh_after read_only restart runtime scale secrets security_opt shm_size "
        "stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user "
        "userns_mode uts volumes volumes_from working_dir "
    ),
    "Build": (
        "additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements "
        "extra_hosts isolation labels network no_cache platforms privileged provenance pull sbom secrets "
        "shm_size ssh tags target ulimits "
    ),
    "HealthcheckTable": ("disable interval retries start_interval start_period test timeout "),
    "Volume": ("driver driver_opts external labels name "),
    "Network": ("attachable driver driver_opts enable_ipv4 enable_ipv6 external internal ipam labels name "),
    "SecretSource": ("driver driver_opts environment external file labels name template_driver "),
    "Config": ("content environment external file labels name template_driver "),
    "PortMap": ("app_protocol host_ip mode name protocol published target "),
    "MountTable": ("bind consistency image read_only source target tmpfs type volume "),
    "Logging": ("driver options "),
    "ServiceNetwork": (
        "aliases driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips mac_address "
        "priority "
    ),
    "SecretUse": ("gid mode source target uid "),
    "ConfigUse": ("gid mode source target uid "),
    "Placement": ("constraints max_replicas_per_node preferences "),
    "RestartConfigTable": ("condition delay max_attempts window "),
    "UpdateConfigTable": ("delay failure_action max_failure_ratio monitor order parallelism "),
    "RollbackConfigTable": ("delay failure_action max_failure_ratio monitor order parallelism "),
    "Ipam": ("config driver options "),
    "Pool": ("aux_addresses gateway ip_range subnet "),
    "Ulimit": ("hard soft "),
}
"""The type of a table here, to the keys of compose's table."""

HIVE_BUILDERS = (
    "stage provider separate_repository shared_repository cidr number_of_hosts subnets memory_size cpus "
    "drbd_download_url instance_type image_name region prepared_resource_group not_support_az disk_size disk_encrypted "
    "kms_key_id kernel_version mirrored_disk_size mirrored_disk_encrypted repository_memory_size repository_cpus "
    "repository_instance_type repository_disk_size repository_disk_encrypted root_password kickstart_config iso_src "
    "iso_dest internal_cidr internal_cidr_v6 nameservers custom_hostname ip_address_list bridge dev filestore_cidr "
    "az_suffix_list context_dir ssh_port target networks"
)
"""The keys of hive-builder's stages, and of the tables in them."""
