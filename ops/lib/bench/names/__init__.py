"""Parts of `python3 -m names`: resolvers of containers' names."""
