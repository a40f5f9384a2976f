"""The services that get a message in their own form: one file each. See ``registry`` for what a service offers."""
