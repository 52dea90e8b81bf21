"""The parts of deploy_services: preflight, ports, rendering, secrets and configs, services, rollback, endpoints."""
