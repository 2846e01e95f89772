"""Moves through a pipeline over HTTP: what they require is told at once, and a move that is refused leaves no trace."""

from typing import Any

import pytest

from .conftest import Crm

MOVE = """
mutation($id: ID!, $to: String!, $note: String, $reason: String, $fields: UpdateOpportunityInput) {
  transitionOpportunity(id: $id, to: $to, note: $note, reason: $reason, fields: $fields) {
    opportunity { stage { key } probability lossReason closedAt }
    errors { code path message details }
  }
}"""
NEXT = (
    "query($id: ID!) { opportunity(id: $id) { availableTransitions { to { key } requirements { code satisfied } } } }"
)
LOSS = ["price", "competitor", "no_budget", "timing", "product_fit", "no_response", "other"]


@pytest.fixture
async def deal(crm: Crm) -> str:
    """A deal of Wang's in the first stage, without an expected day of closing."""
    customer = await crm.make("wang", "customer", name="王府井百货", kind="ORGANIZATION")
    made = await crm.make(
        "wang", "opportunity", name="中央空调", customerId=customer["id"], amount="1200000", currency="CNY"
    )
    id_: str = made["id"]
    return id_


async def move(crm: Crm, deal: str, to: str, language: str = "en", **more: Any) -> Any:
    answer = await crm.ask("wang", MOVE, {"id": deal, "to": to, **more}, Accept_Language=language)
    return answer.payload("transitionOpportunity")


async def moved(crm: Crm, deal: str, *stages: str) -> None:
    for stage in stages:
        payload = await move(crm, deal, stage, fields={"expectedCloseOn": "2026-12-31"})
        assert payload["errors"] == []


@pytest.mark.parametrize("to", ["won", "qualification", "nowhere", "", "a\0b"])
async def test_a_stage_that_no_transition_leads_to_is_refused(crm: Crm, deal: str, to: str) -> None:
    payload = await move(crm, deal, to)

    assert payload == {
        "opportunity": None,
        "errors": [
            {
                "code": "STAGE_NOT_ALLOWED",
                "path": ["to"],
                "message": "This stage cannot be reached from here.",
                "details": {"to": to, "requirements": []},
            }
        ],
    }
    assert [e["type"] for e in await crm.events(deal)] == ["opportunity.created"]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            (
                "Something is still missing for this stage.",
                "amount must be filled in.",
                "expectedCloseOn must be filled in.",
            ),
        ),
        ("zh-CN", ("尚未满足进入该阶段的条件。", "须填写 amount。", "须填写 expectedCloseOn。")),
    ],
)
async def test_all_that_a_move_requires_is_told_at_once_in_the_language_of_the_request(
    crm: Crm, deal: str, language: str, told: tuple[str, str, str]
) -> None:
    message, amount, closing = told
    await moved(crm, deal, "needs")
    await crm.ask(
        "wang",
        "mutation($id: ID!) { updateOpportunity(id: $id, input: { expectedCloseOn: null }) { errors { code } } }",
        {"id": deal},
    )

    (error,) = (await move(crm, deal, "proposal", language))["errors"]

    assert (error["code"], error["path"], error["message"]) == ("STAGE_NOT_ALLOWED", ["to"], message)
    assert error["details"] == {
        "to": "proposal",
        "requirements": [
            {"code": "FIELD", "field": "amount", "satisfied": True, "message": amount},
            {"code": "FIELD", "field": "expectedCloseOn", "satisfied": False, "message": closing},
        ],
    }


async def test_fields_that_come_with_the_move_meet_its_requirements(crm: Crm, deal: str) -> None:
    await moved(crm, deal, "needs")

    payload = await move(crm, deal, "proposal", fields={"expectedCloseOn": "2027-01-31"})

    assert payload["opportunity"]["stage"] == {"key": "proposal"}
    event = (await crm.events(deal))[-1]
    assert event["type"] == "opportunity.stage_changed"
    assert event["after"]["expected_close_on"] == "2027-01-31"


async def test_a_win_needs_a_note_of_some_length(crm: Crm, deal: str) -> None:
    await moved(crm, deal, "needs", "proposal", "negotiation")

    for note in (None, "", "太短", "         x"):
        (error,) = (await move(crm, deal, "won", note=note))["errors"]
        unmet = [r["code"] for r in error["details"]["requirements"] if not r["satisfied"]]
        assert (error["code"], unmet) == ("STAGE_NOT_ALLOWED", ["NOTE"])
    for note, message in (
        ("x" * 20_001, "The text may have at most 20000 characters."),
        ("沟通纪要已经写好了\0", "The text holds control characters or line breaks. Remove them."),
    ):
        (error,) = (await move(crm, deal, "won", note=note))["errors"]
        assert (error["code"], error["path"], error["message"]) == ("INVALID", ["note"], message)
    won = await move(crm, deal, "won", note="客户已签字，定金到账，月底发货")

    assert won["errors"] == []
    assert (won["opportunity"]["stage"], won["opportunity"]["probability"]) == ({"key": "won"}, "1.0000")


@pytest.mark.parametrize("reason", [None, "", "nope", "invalid_contact", "Price"])
async def test_a_loss_needs_a_reason_of_its_list(crm: Crm, deal: str, reason: str | None) -> None:
    (error,) = (await move(crm, deal, "lost", reason=reason))["errors"]

    assert error["code"] == "STAGE_NOT_ALLOWED"
    assert error["details"]["requirements"] == [
        {
            "code": "REASON",
            "field": None,
            "satisfied": False,
            "message": f"One of these reasons is needed: {', '.join(LOSS)}.",
        }
    ]


async def test_a_loss_is_kept_with_its_reason_and_is_the_end(crm: Crm, deal: str) -> None:
    lost = await move(crm, deal, "lost", reason="price", note="比同行贵两成")

    assert lost["errors"] == []
    assert (lost["opportunity"]["lossReason"], lost["opportunity"]["probability"]) == ("price", "0.0000")
    assert lost["opportunity"]["closedAt"] is not None
    (error,) = (await move(crm, deal, "needs"))["errors"]
    assert error["code"] == "STAGE_NOT_ALLOWED"
    event = (await crm.events(deal))[-1]
    assert (event["reason"], event["after"]["loss_note"]) == ("price", "比同行贵两成")


async def test_only_the_way_back_that_a_transition_allows_is_open(crm: Crm, deal: str) -> None:
    await moved(crm, deal, "needs", "proposal")

    back = await move(crm, deal, "needs")
    further = await move(crm, deal, "qualification")

    assert back["opportunity"]["stage"] == {"key": "needs"}
    assert [e["code"] for e in further["errors"]] == ["STAGE_NOT_ALLOWED"]


async def test_available_transitions_are_those_that_the_move_then_takes(crm: Crm, deal: str) -> None:
    answer = await crm.ask("wang", NEXT, {"id": deal})

    assert answer.data["opportunity"]["availableTransitions"] == [
        {"to": {"key": "needs"}, "requirements": []},
        {"to": {"key": "lost"}, "requirements": [{"code": "REASON", "satisfied": False}]},
    ]


async def test_another_reps_deal_is_not_found(crm: Crm, deal: str) -> None:
    answer = await crm.ask("li", MOVE, {"id": deal, "to": "needs"})

    assert answer.refusals("transitionOpportunity") == [("NOT_FOUND", ["id"])]
