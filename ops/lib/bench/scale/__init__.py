"""Parts of `python3 -m scale`: what grows with the number of hosts."""
