"""Parts of `python3 -m traffic`: containers that are connected in several ways, and the traffic between them."""
