"""Parts of `python3 -m overlay`: containers on two hosts, and the traffic between them."""
