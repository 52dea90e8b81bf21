"""Hosts' locations in a cloud, their inbound rules, their names in a cloud. Pure."""
