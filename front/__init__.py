"""The web server: takes whole requests in before a thread works on them, within bounds for each client and for all of them.

Waitress does the HTTP; what stands here is what a public address needs besides: deadlines, bounds by view, and fair shares.
"""
