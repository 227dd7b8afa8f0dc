"""Health, measured: a kind a file. Every try ends at its timeout by the wall clock.

What asks over the network runs in a process of its own (`probe`), which is killed when its time is
up: name resolution, TLS, a body that drips and a pattern that never ends all stop there.
"""
