"""The workbench: pages for intake staff, rendered on the server. Pages work without script; script makes them faster to use."""
