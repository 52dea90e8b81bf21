"""OpenStack's own services on this machine; `python -m tests.openstack.plane` starts them until its input ends.

Keystone, placement, glance, neutron, nova, cinder and manila are the real ones, from PyPI, with a MariaDB of their own;
what they would command is not there: no guest runs, no packet is sent, no byte of a volume or a share is kept. There
are three zones (az1 to az3), the network `public` that leads out, the image `debian-12`, the flavors m1.small,
m1.medium and m1.large, the types of shares plain and served, an ordinary user, and one who may only look.

`control.py` runs in skep's environment, what is in `inside/` in that of the services (`requirements.txt`).
"""
