"""Where hosts stand, what their firewalls let in, and what clouds call them. Pure."""
