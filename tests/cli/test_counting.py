"""How far a run is, for a log: a line every ten seconds, with the rate of this run and what is left."""

from provender.cli.counting import Lines


def test_a_line_comes_every_ten_seconds_with_rate_and_time_left():
    now, said = [100.0], []
    lines = Lines("materialising", clock=lambda: now[0], say=said.append)
    lines.expect("trips", 1_000_000, 400_000)
    for _ in range(25):
        now[0] += 1
        lines.advance("trips", 10_000)
    assert said == [
        "materialising trips: 500,000 of 1,000,000 rows, 10,000 rows/s, 50 s left",
        "materialising trips: 600,000 of 1,000,000 rows, 10,000 rows/s, 40 s left",
    ]


def test_each_run_is_counted_by_itself():
    now, said = [0.0], []
    lines = Lines("materialising", clock=lambda: now[0], say=said.append)
    lines.expect("a", 100, 0)
    lines.advance("a", 100)
    now[0] = 60.0
    lines.expect("b", 1_000, 0)
    now[0] = 70.0
    lines.advance("b", 500)
    assert said == ["materialising b: 500 of 1,000 rows, 50 rows/s, 10 s left"]
