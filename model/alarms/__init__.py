"""What is watched, and who is told: rules and configuration of Prometheus and Alertmanager. Pure."""
