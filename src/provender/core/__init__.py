"""Every decision of Provender, pure: standard library only, frozen values and functions.

Nothing here reads a clock, a file, a database or the network; `now` is always an argument.
"""
