"""The services with a message format of their own: one file each. See ``registry`` for their interface."""
