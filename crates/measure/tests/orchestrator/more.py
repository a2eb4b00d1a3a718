#!/usr/bin/env python3
"""Ten more scenarios for fake_vco.py, and what the rule `sigma` must find in each.

Written apart from netmend: what is expected is computed here with exact fractions, from the answers of the stand-in
itself, and the author's own list beside it must say the same. Standard library alone.

  python3 more.py FOLDER          # writes NAME.json and NAME.expected.json of each, and prints the names
"""

import json
import math
import pathlib
import sys
from fractions import Fraction

import fake_vco

NOW = 1767484800
METRICS = fake_vco.METRICS
TIMES = METRICS[:4]
USUAL = {"latencyMsTx": 20, "latencyMsRx": 22, "jitterMsTx": 3, "jitterMsRx": 4, "lossPctTx": 0, "lossPctRx": 0.1}
# The middle of each five minutes: twelve before, one present.
GRID = range(-4350, -749, 300)
number = 0


def link(name, values, **more):
    """A link; of `values` a list gives a metric reading by reading, None is null, ... is left out."""
    global number
    number += 1
    points = []
    for place, t in enumerate(GRID):
        detail = {}
        for metric in METRICS:
            # Some variance, the same on both sides of the mean.
            value = values.get(metric, USUAL[metric] + (place % 2) * 2 * (not metric.startswith("loss")))
            value = value[place] if isinstance(value, list) else value
            if value is not ...:
                detail[metric] = value
        points.append({"t": t, "v": detail})
    return {"id": number, "internalId": "m-%d" % number, "displayName": name, "interface": "GE%d" % (number % 6 + 1), "isp": "An ISP",
            "points": points, **more}


def before(value, last):
    """Twelve readings, and the present one."""
    return (value if isinstance(value, list) else [value] * 12) + [last]


def edge(identity, name, links, **more):
    return {"id": identity, "name": name, "enterpriseId": 1, "gateway": 70, "links": links, **more}


def scenario(name, edges, said, **more):
    """`said`: the anomalies as the author of the scenario knows them, as (edge, wan, metric); None where they are too many."""
    return {"name": name, "now": NOW, "auth": {"tokens": ["tok-" + name]}, "enterprises": [{"id": 1, "name": "Customer " + name}],
            "gateways": [{"id": 70, "name": "gw"}], "edges": edges, "said": said, **more}


def raw(t, at, **detail):
    """An entry that is sent with those of the time `t` and says that it is of the time `at`."""
    return {"t": t, "raw": {"timestamp": (NOW + at) * 1000, "metadata": {"detail": detail}}}


def scenarios():
    wobble = [20, 22] * 6
    yield scenario("m01_two_customers_with_the_same_names", [
        edge(1, "HQ", [link("MPLS", {"latencyMsRx": before(wobble, 90)})]),
        edge(2, "HQ", [link("MPLS", {"latencyMsRx": before(wobble, 21)})], enterpriseId=2),
    ], [("HQ", "MPLS", "latencyMsRx")], enterprises=[{"id": 1, "name": "Customer one"}, {"id": 2, "name": "Customer two"}])
    yield scenario("m02_better_is_no_anomaly", [
        edge(1, "E", [
            link("fell", {"latencyMsTx": before(wobble, 1), "jitterMsRx": before([9, 8] * 6, 0), "lossPctTx": before([5, 6] * 6, 0)}),
            link("rose and fell", {"latencyMsRx": before(wobble, 0), "lossPctRx": before([.1, .2] * 6, .31)}),
        ]),
    ], [("E", "rose and fell", "lossPctRx")])
    few = [..., None] * 5
    yield scenario("m03_holes", [
        edge(1, "E", [
            link("one before", {"latencyMsTx": few + [..., 20, 500]}),
            link("two before", {"latencyMsTx": few + [20, 21, 500]}),
            link("none now", {"latencyMsRx": before(wobble, None), "jitterMsTx": before([1] * 12, ...)}),
            link("text", {"latencyMsRx": ["20", " 22 "] * 6 + ["90.5"], "jitterMsRx": ["x", ""] * 6 + ["?"]}),
            link("below nothing", {"latencyMsRx": [20, -1, 22, 20, 22, -5] * 2 + [60], "jitterMsTx": before([1, 2] * 6, -9)}),
            link("nested", {"lossPctTx": [{}, [1], 0, 0, True, 0] * 2 + [.5]}),
        ]),
    ], [("E", "two before", "latencyMsTx"), ("E", "text", "latencyMsRx"), ("E", "below nothing", "latencyMsRx"), ("E", "nested", "lossPctTx")])
    same = {"latencyMsRx": 20, "jitterMsRx": 2}
    yield scenario("m04_out_of_order_and_twice", [
        edge(1, "E", [
            # The later of two of one time is the correction.
            link("corrected to good", {}, points=[raw(t, t, **same) for t in GRID] + [raw(-740, -750, latencyMsRx=99), raw(-730, -750, **same)]),
            link("corrected to bad", {}, points=[raw(t, t, **same) for t in GRID] + [raw(-730, -750, latencyMsRx=99, jitterMsRx=2)]),
            link("backwards", {}, points=[raw(t, -5100 - t, latencyMsRx=20 + (t == GRID[0]) * 50 + t // 300 % 2) for t in GRID]),
            # An edge whose clock is ten minutes ahead, and one whose is a day behind.
            link("ahead", {}, points=[raw(t, t, **same) for t in GRID] + [raw(-720, -150, latencyMsRx=999)]),
            link("behind", {}, points=[raw(t, t, **same) for t in GRID] + [raw(-720, -87150, latencyMsRx=999)]),
        ]),
    ], [("E", "corrected to bad", "latencyMsRx"), ("E", "backwards", "latencyMsRx")], sampling="all")
    border = [raw(t, t, latencyMsRx=20 + t // 300 % 2) for t in range(-4200, -1199, 300)]
    yield scenario("m05_borders", [
        edge(1, "E", [
            link("the first moment of the present", {}, points=border + [raw(-900, -900, latencyMsRx=90)]),
            link("the last moment before", {}, points=border + [raw(-901, -901, latencyMsRx=90), raw(-750, -750, latencyMsRx=21)]),
            link("after the end", {}, points=border + [raw(-750, -750, latencyMsRx=20), raw(-600, -600, latencyMsRx=90)]),
            link("before the beginning", {}, points=border + [raw(-4501, -4501, latencyMsRx=900), raw(-750, -750, latencyMsRx=40)]),
            link("at the beginning", {}, points=border + [raw(-4500, -4500, latencyMsRx=900), raw(-750, -750, latencyMsRx=40)]),
        ]),
    ], [("E", "the first moment of the present", "latencyMsRx"), ("E", "before the beginning", "latencyMsRx")], sampling="all")
    gone = {**{metric: before(wobble, 0) for metric in TIMES}, "lossPctTx": before([0, .1] * 6, 100), "lossPctRx": before([0, .1] * 6, 100)}
    high = {"latencyMsRx": before(wobble, 400)}
    yield scenario("m06_states", [
        edge(1, "E", [
            link("dead", gone, state="DEAD"), link("standby", high, state="STANDBY"), link("unplugged", high, state="DISCONNECTED"),
            link("unstable", high, state="UNSTABLE"), link("unheard of", high, state="SOMETHING_NEW"),
            link("dead before", {"latencyMsTx": before([0, 0, 20, 22, 20, 22] * 2, 30)}, state="DEAD"),
        ]),
    ], [("E", "dead", "lossPctTx"), ("E", "dead", "lossPctRx"), ("E", "unstable", "latencyMsRx"), ("E", "unheard of", "latencyMsRx"),
        ("E", "dead before", "latencyMsTx")])
    yield scenario("m07_not_told_yet", [edge(1, "E", [link("late", {"latencyMsRx": before(wobble, 400)})])], [], publish_delay_s=800)
    long = "x" * 300
    yield scenario("m08_names", [
        edge(1, "a \"quoted\"\n\tname \\ \u001b[31m", [link("\u202eright to left", high), link("🙂 <b>&amp;</b>", high), link(long, high)]),
        edge(2, "twice", [link("same", high), link("same", {"jitterMsTx": before([3, 4] * 6, 30)})]),
        edge(3, "nameless", [link("hidden", high, omit_link=["displayName"], interface="GE9")]),
        edge(4, "hidden", [link("a link", high, omit_link=["edgeName"])]),
    ], None)
    yield scenario("m09_who_is_missing", [
        edge(1, "no links", []),
        edge(2, "no readings", [link("a", high, no_timeseries=True), link("b", high, in_quality=False), link("c", high)]),
        edge(3, "not listed", [link("d", high, in_aggregate=False), link("e", {})]),
        edge(4, "by its second name", [link("f", high, omit=["linkLogicalId"])]),
        edge(5, "nothing at all", [link("g", {metric: ... for metric in METRICS})]),
    ], [("no readings", "c", "latencyMsRx"), ("by its second name", "f", "latencyMsRx")])
    noisy = [{m: {"base": b, "noise": n} for m, b, n in zip(METRICS, (25, 27, 4, 5, .4, .3), (6, 9, 3, 2, .4, .3))} for _ in range(3)]
    yield scenario("m10_many", [
        edge(i, "E%02d" % i, [{"id": 1000 + 10 * i + j, "internalId": "n-%d-%d" % (i, j), "displayName": "L%d" % j, "interface": "GE3",
                               "seed": 10 * i + j, "series": noisy[j]} for j in range(3)]) for i in range(1, 61)
    ], None)


def value(found, state, loss, metric):
    """A value as the rule takes it, or None."""
    if isinstance(found, str):
        try:
            found = float(found)
        except ValueError:
            return None
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found) or found < 0:
        return None
    if metric in TIMES and found == 0 and (state == "DEAD" or loss == 100):
        return None
    return Fraction(found)


def expected(sc):
    """What the rule says of the stand-in's answers, an edge a question."""
    world = fake_vco.World(sc, fake_vco.Clock(NOW), NOW)
    windows = (-900, -600), (-4500, -900)
    out = []
    interval = {"start": (NOW - 4500) * 1000, "end": (NOW - 600) * 1000}
    for row in world.call("monitoring/getAggregateEdgeLinkMetrics", {"interval": interval}, "operator"):
        known = row["link"]
        state = known.get("linkState") or "STABLE"
        if state in ("STANDBY", "DISCONNECTED"):
            continue
        answer = world.call("linkQualityEvent/getLinkQualityEvents", {"edgeId": known["edgeId"], "interval": interval, "minutesPerSample": 5}, "operator")
        # Of one time the last one counts.
        entries = {entry["timestamp"]: entry["metadata"]["detail"] for entry in answer.get(known["internalId"], {}).get("timeseries", [])}
        series = [{at: detail for at, detail in entries.items() if (NOW + start) * 1000 <= at < (NOW + end) * 1000} for start, end in windows]
        for metric in METRICS:
            present, past = ([v for v in (value(d.get(metric), state, d.get(metric.replace("latencyMs", "lossPct").replace("jitterMs", "lossPct")), metric)
                                          for _, d in sorted(s.items())) if v is not None] for s in series)
            if not present or len(past) < 2:
                continue
            mean, now = sum(past) / len(past), sum(present) / len(present)
            variance = sum((v - mean) ** 2 for v in past) / (len(past) - 1)
            if now > mean and (now - mean) ** 2 > 4 * variance:
                out.append({"enterprise": known["enterpriseName"], "edge": known.get("edgeName") or str(known["edgeId"]),
                            "wan": known.get("displayName") or known["interface"], "metric": metric,
                            "present_mean": float(now), "baseline_mean": float(mean), "sd": math.sqrt(variance)})
    return out


def main():
    folder = pathlib.Path(sys.argv[1])
    for sc in scenarios():
        said = sc.pop("said")
        alerts = expected(sc)
        found = sorted((a["edge"], a["wan"], a["metric"]) for a in alerts)
        if said is None:
            assert len(alerts) >= 6, (sc["name"], found)
        else:
            assert found == sorted(said), (sc["name"], found, sorted(said))
        for name, content in ((sc["name"], sc), (sc["name"] + ".expected", {"alerts": alerts})):
            (folder / (name + ".json")).write_text(json.dumps(content), encoding="utf-8")
        print(sc["name"])


if __name__ == "__main__":
    main()
