"""crm-graph: the hub of a company's customer data, one typed GraphQL API over Postgres."""
