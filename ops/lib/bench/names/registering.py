"""A name is registered and asked for at once."""

import time

from measure import Failed

# A server that does not learn a name in this time never does. Seconds.
LONGEST = 20
# Between two registrations: netavark's come one at a time. Seconds.
REST = 0.02


def register(raw, server, number):
    """Records whether the first answer was wrong, and the milliseconds until an answer was right."""
    server.register(number)
    begin = time.perf_counter()
    is_right = server.is_right(number)
    raw.setdefault(f"{server.name} wrong first", []).append(int(not is_right))
    while not is_right:
        if time.perf_counter() - begin > LONGEST:
            raise Failed(f"{server.name} does not know {server.full(number)} {LONGEST} s after it was registered")
        is_right = server.is_right(number)
    raw.setdefault(f"{server.name} until right", []).append((time.perf_counter() - begin) * 1000)
    time.sleep(REST)
