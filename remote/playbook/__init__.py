"""Roles of Ansible: a playbook of one role, run against one container."""
