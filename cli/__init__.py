"""The command line: everything it does goes through the services' HTTP APIs."""
