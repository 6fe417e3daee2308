"""The model that `make loadtest` makes answers what the scenarios ask."""

from itertools import islice
from pathlib import Path

import pytest

from kuberec.client import Client
from kuberec.loadtest.asking import Connection, read
from kuberec.loadtest.scenario import load_scenario
from kuberec.loadtest.traffic import Catalogue, Traffic, read_ids
from kuberec.serving.testing import model_server
from loadtest.local import small_model
from loadtest.running import HERE

pytestmark = pytest.mark.slow
REQUESTS = 100


def test_the_small_model_answers_every_signature_of_the_mix(tmp_path: Path) -> None:
    subject = small_model(tmp_path)
    catalogue = Catalogue(read_ids(subject.user_ids), read_ids(subject.item_ids))
    scenario = load_scenario(HERE / "scenarios" / "steady.yaml")
    traffic = Traffic(scenario, catalogue, subject.model)
    asked = set()
    with model_server(subject.folder.parent) as target, Connection(target, 60.0) as connection:
        for request in islice(traffic.requests(), REQUESTS):
            reply, answer = connection.ask(request.message)
            assert not answer.error, answer
            assert read(reply).version == 1
            asked.add(request.signature)
        with Client(target, timeout=60.0) as client:
            known = client.recommend(subject.model, catalogue.users[0])
            unknown = client.recommend(subject.model, "cold-0-1")
    assert asked == set(scenario.signatures)
    # The ids of the files are the model's own.
    assert set(known.item_ids) <= set(catalogue.items)
    assert known.scores != unknown.scores
