"""The same records, pushed: what is to be sent, whether it is genuine, and where it waits to be loaded."""
