"""What deploy_services is made of: preflight, ports, contents, rendering."""
