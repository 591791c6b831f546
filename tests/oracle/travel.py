"""Which columns carry which tags: every tag followed from where it was put, step by step."""


def carried(put, steps, stops):
    """For each (column, tag) return (distance, over): how far it came, and over which column last.

    ``put``: tags by column; ``steps``: (upstream, downstream, way or None); ``stops``: ways by tag.
    """
    answer, following = {}, {}
    for upstream, downstream, way in steps:
        following.setdefault(upstream, []).append((downstream, way))
    for tag in {tag for tags in put.values() for tag in tags}:
        here = {column for column, tags in put.items() if tag in tags}
        answer |= {(column, tag): (0, column) for column in here}
        distance = 0
        while here:
            distance += 1
            next_ones = {}
            for upstream in sorted(here, reverse=True):  # the lowest has the last word
                for downstream, way in following.get(upstream, ()):
                    if (downstream, tag) not in answer and way not in stops.get(tag, ()):
                        next_ones[downstream, tag] = (distance, upstream)
            answer |= next_ones
            here = {column for column, _ in next_ones}
    return answer
