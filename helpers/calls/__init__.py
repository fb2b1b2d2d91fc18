"""What branches call: simulated calls, the service, its clients, and what a machine has room for."""
