"""Tables and nothing more, by noun. Importing the package maps all of them."""

from crm_graph.models.clients import Client, RevokedToken, SigningKey, UsedAssertion
from crm_graph.models.collaborators import Collaboration
from crm_graph.models.contracts import Contract, ContractLine
from crm_graph.models.cost_budgets import CostBudget
from crm_graph.models.custom_fields import CustomField
from crm_graph.models.customers import Address, ContactPoint, Customer
from crm_graph.models.declarative import Base, Child, Identified, Root, Tracked, Workflow
from crm_graph.models.events import Event, HashKey, LogEpoch
from crm_graph.models.exchange_rates import ExchangeRate
from crm_graph.models.exports import Export
from crm_graph.models.external_refs import ExternalRef
from crm_graph.models.files import File, FilePurge, Upload
from crm_graph.models.idempotency_keys import IdempotencyKey
from crm_graph.models.interactions import Interaction
from crm_graph.models.issuers import Identity, Issuer, IssuerDocuments
from crm_graph.models.leads import Lead
from crm_graph.models.opportunities import Opportunity
from crm_graph.models.rights_proposals import RightsProposal
from crm_graph.models.roles import Grant, PolicyVersion, Role
from crm_graph.models.schedules import Schedule
from crm_graph.models.search_documents import SearchDocument, SearchFill
from crm_graph.models.sessions import Session, SignInLink
from crm_graph.models.tasks import Task
from crm_graph.models.teams import Team
from crm_graph.models.tickets import Ticket
from crm_graph.models.timers import Timer, TimerKind
from crm_graph.models.trusted_documents import TrustedDocument
from crm_graph.models.users import TeamMember, User, UserRole
from crm_graph.models.workflows import Pipeline, Reason, Stage, StageChange, Transition

__all__ = [
    "Address",
    "Base",
    "Child",
    "Client",
    "Collaboration",
    "ContactPoint",
    "Contract",
    "ContractLine",
    "CostBudget",
    "CustomField",
    "Customer",
    "Event",
    "ExchangeRate",
    "Export",
    "ExternalRef",
    "File",
    "FilePurge",
    "Grant",
    "HashKey",
    "IdempotencyKey",
    "Identified",
    "Identity",
    "Interaction",
    "Issuer",
    "IssuerDocuments",
    "Lead",
    "LogEpoch",
    "Opportunity",
    "Pipeline",
    "PolicyVersion",
    "Reason",
    "RevokedToken",
    "RightsProposal",
    "Role",
    "Root",
    "Schedule",
    "SearchDocument",
    "SearchFill",
    "Session",
    "SignInLink",
    "SigningKey",
    "Stage",
    "StageChange",
    "Task",
    "Team",
    "TeamMember",
    "Ticket",
    "Timer",
    "TimerKind",
    "Tracked",
    "Transition",
    "TrustedDocument",
    "Upload",
    "UsedAssertion",
    "User",
    "UserRole",
    "Workflow",
]
