"""The moves that a record can make from its present stage, as clients see them."""

import strawberry


@strawberry.type(description="The stage that a move leads to.")
class TransitionTarget:
    key: str = strawberry.field(description="Stable key of the stage; pass it as `to`.")
    name: str = strawberry.field(description="Name in the company's language.")


@strawberry.type(description="One thing that a move needs.")
class TransitionRequirement:
    satisfied: bool = strawberry.field(description="Whether it is met now.")
    code: str = strawberry.field(description="FIELD, NOTE, REASON, ACTION, or HIDDEN where you may not know.")
    message: str = strawberry.field(description="What to do, in the language of the request.")
    field: str | None = strawberry.field(description="The field it is about, if it is about one.")


@strawberry.type(description="A move to another stage and what it still needs.")
class Transition:
    to: TransitionTarget = strawberry.field(description="Where it leads.")
    requirements: list[TransitionRequirement] = strawberry.field(description="What it needs.")
