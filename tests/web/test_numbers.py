"""How numbers and instants that were measured read on pages."""

import re


def test_instants_are_compared_by_the_day_that_is_their_mean_and_by_no_distance(ana):
    asked = "/datasets/aviation.flights/diff{}?from=1&to=2"
    changed = ana.get(asked.format(".json")).json()["changed"]
    (instants,) = [one for one in changed if one["column"] == "sched_dep_ts"]
    assert instants["distance"] is None
    (row,) = re.findall(
        r"<code>sched_dep_ts</code>.*?</tr>", ana.get(asked.format("")).text, re.DOTALL
    )
    assert "2013-07-02 16:52<br>2023-07-02 16:52" in row
    assert row.endswith('<td class="right">–</td></tr>')


def test_a_column_page_tells_quantiles_with_their_levels_and_numbers_rounded(ana):
    page = ana.get("/datasets/aviation.flights/column", params={"name": "arr_delay"}).text
    told = re.sub(r"<[^>]+>", "", re.search(r"<dt>Quantiles</dt>(.*?)</dd>", page).group(1))
    levels = re.findall(r"(\d+) % (-?[\d.]+)", told)
    assert [level for level, _ in levels] == ["1", "5", "25", "50", "75", "95", "99"]
    values = [float(value) for _, value in levels]
    assert values == sorted(values)
    assert "<dt>Highest</dt><dd>240</dd>" in page
    whole = ana.get("/datasets/aviation.flights").text
    assert '<span class="quiet">-90 – 240</span>' in whole
    assert '<span class="quiet">2023-01-01 – 2023-12-31</span>' in whole
