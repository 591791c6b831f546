"""The page of a model: what it rests on, and the way there."""


def test_a_model_page_shows_what_it_rests_on_and_the_page_of_its_training_set_leads_there(ana):
    facts = ana.get("/models/delay-model.json").json()
    assert (facts["id"], facts["metrics"]) == ("flights/delay-model@1", {"auc": 0.742})
    assert facts["pins"] == ["aviation.weather@1", "aviation.tail_last@1"]
    page = ana.get("/models/delay-model").text
    for expected in ("Late by 15 minutes or not.", "s3://models/delay/1", facts["training_set"]):
        assert expected in page
    assert (
        "/models/delay-model?project=flights&amp;version=1"
        in ana.get(f"/training-sets/{facts['training_set']}").text
    )
