"""The node: the supervisor of one template and its children, which makes all changes to the database."""
