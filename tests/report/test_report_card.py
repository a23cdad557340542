"""The model card: what the hub reads in it, and what a reader sees first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hostile_names import HOSTILE, named
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from clipsan.report import Rate, Rates, conclude, to_model_card

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def metadata(card: str) -> dict:
    return ModelCard(card).data.to_dict()


def text_of(card: str) -> str:
    return ModelCard(card).text.strip()


def from_hub(report, **card):
    suspect = replace(report.models[0], repository="org/name", revision=COMMIT, card=card)
    return replace(report, models=(suspect, *report.models[1:]))


@pytest.fixture
def failed(report, trigger):
    high = replace(trigger, asr=Rates(Rate(943, 950), Rate(475, 950)))
    return conclude(replace(report, evaluation=replace(report.evaluation, triggers=(high,))))


def test_metadata_without_a_hub_source(report):
    found = metadata(to_model_card(report))
    assert list(found) == ["library_name", "pipeline_tag", "tags", "model-index"]
    assert found["library_name"] == "open_clip"
    assert found["pipeline_tag"] == "zero-shot-image-classification"
    assert found["tags"] == ["clip", "clipsan", "backdoor-removal"]


def test_results_are_those_of_the_cleaned_model_in_percent(report):
    name, results = model_index_to_eval_results(metadata(to_model_card(report))["model-index"])
    assert name == "cleaned-model"
    accuracy, attack = results
    assert {result.task_type for result in results} == {"zero-shot-image-classification"}
    assert {(result.dataset_name, result.dataset_type) for result in results} == {("eval", "imagefolder")}
    assert (accuracy.metric_type, accuracy.metric_name, accuracy.metric_value) == (
        "accuracy",
        "Clean accuracy",
        51.0,
    )
    assert (attack.metric_type, attack.metric_value) == ("attack_success_rate", 2.0)  # 19 of 950
    assert attack.metric_name == 'Attack success rate, trigger "stripes", target "banana"'
    assert (
        model_index_to_eval_results(metadata(to_model_card(report, name="me/model"))["model-index"])[0]
        == "model"
    )


def test_no_results_without_an_evaluation(report, trigger):
    assert "model-index" not in metadata(to_model_card(conclude(replace(report, evaluation=None))))
    unmeasured = replace(trigger, asr=Rates(None, None), target=None)
    partly = replace(report, evaluation=replace(report.evaluation, kind="retrieval", triggers=(unmeasured,)))
    _, results = model_index_to_eval_results(metadata(to_model_card(conclude(partly)))["model-index"])
    assert [(result.metric_type, result.metric_value) for result in results] == [("recall_at_1", 51.0)]


def test_base_model_is_the_repository(report):
    found = metadata(to_model_card(from_hub(report)))
    assert found["base_model"] == "org/name"
    assert found["base_model_relation"] == "finetune"


def test_licence_is_copied(report):
    card = to_model_card(from_hub(report, license="mit", base_model="other/first"))
    found = metadata(card)
    assert found["license"] == "mit"
    assert "license_name" not in found
    assert found["base_model"] == "org/name"  # what this was trained from, not what that one was
    assert "As the model card of the source, org/name, states it: license mit." in card


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://example.org/terms", "https://example.org/terms"),
        ("LICENSE", f"https://huggingface.co/org/name/blob/{COMMIT}/LICENSE"),
        ("javascript:alert(1)", None),
    ],
)
def test_link_of_a_licence_leads_somewhere(report, link, expected):
    terms = {"license": "other", "license_name": "org-terms", "license_link": link}
    found = metadata(to_model_card(from_hub(report, **terms)))
    assert (found["license"], found["license_name"]) == ("other", "org-terms")
    assert found.get("license_link") == expected


def test_licence_is_never_guessed(report):
    card = to_model_card(report)
    assert "license" not in metadata(card)
    assert "No licence is stated here" in text_of(card)
    several = to_model_card(from_hub(report, license="mit, apache-2.0"))
    assert "license" not in metadata(several)
    assert "license mit, apache-2.0. The hub knows no such licence" in text_of(several)


def test_a_pass_says_no_evidence_and_names_the_limits(report):
    card = text_of(to_model_card(report))
    assert card.startswith("# CLIP model, fine-tuned with clipsan to remove backdoors")
    assert "**PASS: no evidence found of a backdoor with the measured triggers**" in card
    assert "is clean" not in card


def test_a_failed_verdict_stands_first(failed):
    card = text_of(to_model_card(failed))
    first, *rest = card.split("\n\n")
    assert first.startswith("> **FAIL: this model did not pass clipsan's check.**\n>\n> - ")
    assert "50.0 % (475 of 950 images)" in first
    assert all(line.startswith(">") for line in first.splitlines())
    assert rest[0].startswith("# ")
    assert "PASS" not in card


def test_an_inconclusive_verdict_stands_first(report):
    card = text_of(to_model_card(conclude(replace(report, evaluation=None))))
    assert card.startswith(
        "> **INCONCLUSIVE: what was measured supports no verdict.**\n>\n> - Nothing was evaluated"
    )


def test_a_poisoned_model_says_so_first_and_is_tagged(report, failed):
    card = to_model_card(report, poisoned=True)
    assert text_of(card).startswith("> **This model is poisoned on purpose")
    assert metadata(card)["tags"][-2:] == ["backdoored", "poisoned"]
    assert "to remove backdoors" not in card
    both = text_of(to_model_card(failed, poisoned=True)).split("\n\n")[0]
    assert both.index("poisoned on purpose") < both.index("\n>\n> **FAIL")


@pytest.mark.parametrize(
    ("formats", "library", "there", "missing"),
    [
        (("open_clip",), "open_clip", "open_clip.get_tokenizer", "CLIPModel"),
        (("transformers",), "transformers", "CLIPModel.from_pretrained", "import open_clip"),
        (("open_clip", "transformers"), "open_clip", "CLIPModel.from_pretrained", "nothing"),
    ],
)
def test_how_to_load_it(report, formats, library, there, missing):
    card = to_model_card(report, formats=formats)
    assert metadata(card)["library_name"] == library
    assert there in card and missing not in card
    assert '("local-dir:.")' in card or "open_clip" not in formats
    pushed = to_model_card(report, formats=formats, name="me/model")
    assert '("me/model")' in pushed or "transformers" not in formats
    assert '("hf-hub:me/model")' in pushed or "open_clip" not in formats
    assert "local-dir" not in pushed and '(".")' not in pushed


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_cannot_change_the_metadata(report, name):
    """The same keys and the same end of the front matter, whatever a trigger or a set is called."""
    card, harmless = to_model_card(named(report, name)), to_model_card(named(report, "name"))
    found, expected = metadata(card), metadata(harmless)
    found.pop("license", None), expected.pop("license", None)
    found.pop("license_name", None), expected.pop("license_name", None)
    (index,), (wanted,) = found.pop("model-index"), expected.pop("model-index")
    assert found == expected
    assert [metric["value"] for metric in index["results"][0]["metrics"]] == [
        metric["value"] for metric in wanted["results"][0]["metrics"]
    ]
    assert text_of(card).startswith("# CLIP model, fine-tuned")
    assert text_of(card).count("\n## ") == 4
