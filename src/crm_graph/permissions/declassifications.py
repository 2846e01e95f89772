"""Declassifications: all that tells more than a role set may see. The list is closed: the law is tested against it.

For everything else an answer is a function of what its asker sees. A new line here is a decision, and needs a law of
its own in `tests/law/test_declassified.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Declassification:
    """One thing that tells more: `granted_by` is the action, or the level, that gives it; `tells` is each bit of it.
    `audited` ones stand in the log of reads before they are told.
    """

    name: str
    granted_by: str
    tells: str
    audited: bool


DECLASSIFICATIONS = (
    Declassification(
        "version",
        "any grant that shows something of the record",
        "That a record was changed, how often, and when it was last (`version`, `updatedAt`), and by `CONFLICT` that a"
        " field which a change writes has changed since a version: also where what changed is withheld.",
        audited=False,
    ),
    Declassification(
        "lookup",
        "the level LOOKUP of a field",
        "Whether a record that the asker sees has exactly a value in a field that it shows masked: by `lookup`, and by"
        " an exact condition on a list at the top of a query.",
        audited=True,
    ),
    Declassification(
        "unmask",
        "the action unmask",
        "Named fields in full, of records that the asker sees, where these show them at least masked.",
        audited=True,
    ),
    Declassification(
        "checkDuplicate",
        "the action duplicates:check",
        "Whether a customer or lead in use has a value, and of those out of the asker's scope the names of their owners"
        " and whether they lie in the pool; neither which nor how many.",
        audited=True,
    ),
    Declassification(
        "externalRef",
        "an action of bulk upsert",
        "That an external id of the client's own source belongs to a record which it does not see.",
        audited=False,
    ),
    Declassification(
        "availableTransitions",
        "the action to move records of the type",
        "Whether a requirement on a field that is withheld is met, which is whether it has a value; keys and names of"
        " the stages that a record can go to.",
        audited=False,
    ),
    Declassification(
        "maskedValue",
        "a grant that lets a field be written which it shows masked",
        "Whether a value that the asker writes is the one that stands there: the change is none, and its event is not"
        " written.",
        audited=False,
    ),
    Declassification(
        "ownChange",
        "a grant that lets records be written which a row rule is about",
        "What a row rule shows once a change of the asker's own meets it, such as the phone of a customer whom they"
        " open a ticket for: the payload of the change shows it already.",
        audited=False,
    ),
    Declassification(
        "money",
        "the level READ of an amount",
        "The currency of an amount that is read, also where the field `currency` of its record is withheld.",
        audited=False,
    ),
    Declassification(
        "explain",
        "the action access:explain",
        "Whether a record exists, and which row rules match it; the name and roles of a user or client who is asked"
        " about; how many active users have each role; and which fields there are.",
        audited=True,
    ),
    Declassification(
        "simulate",
        "the action access:simulate",
        "Which of the records that the asker sees a role's row rules match, also by what is withheld.",
        audited=True,
    ),
    Declassification(
        "previewGrants",
        "the action roles:manage",
        "How many records of a type are in use, how many of them are certain users' or of their teams, or meet a"
        " condition of the roles that the hub comes with, and how many users an edit is about.",
        audited=True,
    ),
    Declassification(
        "documents",
        "the action documents:register",
        "The whole schema, custom fields among it: what is wrong with a document is said by it.",
        audited=False,
    ),
    Declassification(
        "feedLeft",
        "a row rule that a change of the record itself can end",
        "By an entry LEFT of the feed, the type and id of a record that the asker's present row rules showed until"
        " then, and where in the feed that was: also where they came to these rules later.",
        audited=False,
    ),
    Declassification(
        "feedWindow",
        "any grant",
        "By a page of the feed that is not full though more follows, that the log has 100,000 events there, as the hub"
        " is set, of which none more is told.",
        audited=False,
    ),
    Declassification(
        "numbers",
        "the action to make records of the type",
        "By the number of a new customer, ticket or contract, how many were numbered before it.",
        audited=False,
    ),
)
"""All of them."""
