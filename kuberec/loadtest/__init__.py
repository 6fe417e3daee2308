"""Load tests: what a recommender's traffic looks like, how it is played, and how the answers are judged.

Nothing here knows Locust; `loadtest/` wires these parts to it.

reading.py     YAML files → checked settings
scenario.py    the settings of a load test: how many requests when, of whom, for what
arrivals.py    draws when requests arrive: Poisson, in the bursts of sessions, or evenly
traffic.py     draws who asks for what: Zipf users, cold users, mixed signatures
asking.py      sends one request and looks at its answer
player.py      sends each request at its time, whatever became of the ones before
latencies.py   a histogram that is as fine for microseconds as for minutes
recording.py   what came of it: latencies and counts, merged across workers
figures.py     the recording in numbers
slo.py         the limits, and the verdict: pass, fail or invalid, with reasons
swap.py        publishes a new version while requests run
report.py      the verdict and the figures as JSON and as a page
pictures.py    the page's pictures
"""
