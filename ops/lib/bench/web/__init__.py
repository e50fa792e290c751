"""Parts of gateway.py."""
