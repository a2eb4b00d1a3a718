"""What a plain client of a VeloCloud Orchestrator does: one call after the other, 2 + 2N of them.

Written for `cargo xtask bench vco`, as the measure of comparison: it logs in, lists the links, and asks for two windows of
each edge, as vco-api-wan-anomaly-alert does, on one connection: by the library "requests" as it does, or by Python's
own, which costs less. Of the numbers it makes less than the original, which has numpy and pandas.

  python3 sequential.py https://127.0.0.1:PORT CA_FILE TOKEN NOW requests|http.client
"""

import json
import statistics
import sys

url, ca, token, now = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
headers = {"Authorization": "Token " + token, "Content-Type": "application/json"}
calls = 0
if sys.argv[5] == "requests":
    import requests
    session = requests.Session()

    def post(path, body):
        return session.post(url + path, data=body, headers=headers, verify=ca).content
else:
    import http.client
    import ssl
    import urllib.parse
    place = urllib.parse.urlsplit(url)
    context = ssl.create_default_context(cafile=ca)
    connection = http.client.HTTPSConnection(place.hostname, place.port, context=context)

    def post(path, body):
        connection.request("POST", path, body, headers)
        return connection.getresponse().read()


def ask(method, params):
    global calls
    calls += 1
    return json.loads(post("/portal/rest/" + method, json.dumps(params)))


def window(start, end):
    return {"start": start * 1000, "end": end * 1000}


METRICS = ("latencyMsTx", "latencyMsRx", "jitterMsTx", "jitterMsRx", "lossPctTx", "lossPctRx")
end = now - 600
present, baseline = window(end - 300, end), window(end - 3900, end - 300)
ask("enterprise/getEnterprise", {})
rows = ask("monitoring/getAggregateEdgeLinkMetrics", {"interval": window(end - 3900, end)})
links = {row["link"]["internalId"]: row["link"] for row in rows}
found = 0
for edge in sorted({link["edgeId"] for link in links.values()}):
    both = []
    for interval in (present, baseline):
        answer = ask("linkQualityEvent/getLinkQualityEvents",
                     {"edgeId": edge, "interval": interval, "minutesPerSample": 5})
        both.append(answer)
    for link in both[0]:
        if link == "overallLinkQuality":
            continue
        for metric in METRICS:
            def values(answer):
                series = answer.get(link, {}).get("timeseries", [])
                return [entry["metadata"]["detail"][metric] for entry in series]
            new, old = values(both[0]), values(both[1])
            if new and len(old) > 1 and statistics.mean(new) > statistics.mean(old) + 2 * statistics.stdev(old):
                found += 1
print(json.dumps({"calls": calls, "anomalies": found}))
