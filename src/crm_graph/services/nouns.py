"""The nouns by entity name, for the services that serve all of them alike. Registering an entity is one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from crm_graph.services import contracts, customers, interactions, leads, opportunities, tasks, teams, tickets, users
from crm_graph.services.drafts import Noun

NOUNS: Mapping[str, Noun] = MappingProxyType(
    {
        noun.entity: noun
        for noun in (
            customers.NOUN,
            interactions.NOUN,
            leads.NOUN,
            opportunities.NOUN,
            tickets.NOUN,
            contracts.NOUN,
            tasks.NOUN,
        )
    }
)

DIRECTORY: Mapping[str, Noun] = MappingProxyType({noun.entity: noun for noun in (teams.NOUN, users.NOUN)})
"""Those of the company's own, which admins run by rules of their own."""
