"""Logs of what stands between an application and its users: the access logs of servers and the lines of recorders."""
