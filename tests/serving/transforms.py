"""The on-demand functions of the tests' feature repository."""

import time


def departure(columns):
    pairs = zip(columns["temp"], columns["hour"], strict=True)
    return {"warm": [None if temp is None else int(temp) + hour for temp, hour in pairs]}


def nap(columns):
    time.sleep(columns["seconds"][0])
    return {"napped": columns["seconds"]}


def stop(columns):
    raise {"StopIteration": StopIteration, "SystemExit": SystemExit}[columns["how"][0]]
