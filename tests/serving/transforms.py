"""The on-demand functions of the tests' feature repository."""


def departure(columns):
    pairs = zip(columns["temp"], columns["hour"], strict=True)
    return {"warm": [None if temp is None else int(temp) + hour for temp, hour in pairs]}
