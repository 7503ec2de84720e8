"""`python -m collector.child ROLE`: a process of a running collector. Started by server.py only.

The role is there for people who read a process list.
"""

from .server import run_child

if __name__ == "__main__":
    run_child()
