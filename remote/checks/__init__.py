"""Facts about hosts and the paths between them, asked before services are deployed."""
