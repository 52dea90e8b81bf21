# shellcheck shell=sh
# What base images are made with on the repository host.

install_packages build
