"""What people call a thing on a screen, in both languages."""

import strawberry


@strawberry.type(description="What people call a thing on a screen.")
class Labels:
    zh: str = strawberry.field(description="In Chinese.")
    en: str = strawberry.field(description="In English.")
