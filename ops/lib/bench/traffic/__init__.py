"""Parts of `python3 -m traffic`: containers that are joined in several ways, and what passes between them."""
