# shellcheck shell=sh
# Trust in the site's CA, for all that asks the system. (The engine asks /etc/docker/certs.d, with no restart.)

install_packages ca
name=$(cat /etc/skep/ca.name)
place /etc/skep/ca.crt "$(word ca_directory)/$name.crt" 0644
# Looked up rather than remembered: the bundle is made anew by every update of the package.
if ! grep -qF "$(sed -n 2p /etc/skep/ca.crt)" "$(word ca_bundle)"; then
    told=$("$(word ca_update)" 2>&1) || fail "$told"
    grep -qF "$(sed -n 2p /etc/skep/ca.crt)" "$(word ca_bundle)" || fail "$(word ca_update) left the site's CA out"
    say "the system trusts the site's CA"
fi
