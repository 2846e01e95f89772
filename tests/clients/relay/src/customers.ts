// What a Relay front end declares: a list that pages by itself, and inside it one that is fetched again by node(id).
import { graphql } from "relay-runtime";

export const page = graphql`
  query customersPageQuery($prefix: String!) {
    ...customers_list @arguments(prefix: $prefix)
  }
`;

export const list = graphql`
  fragment customers_list on Query
  @argumentDefinitions(
    count: { type: "Int", defaultValue: 2 }
    cursor: { type: "String" }
    prefix: { type: "String!" }
  )
  @refetchable(queryName: "customersListPaginationQuery") {
    customers(first: $count, after: $cursor, where: { name: { startsWith: $prefix } }, orderBy: [{ name: ASC }])
      @connection(key: "customersList_customers") {
      edges {
        node {
          name
          ...customers_interactions
        }
      }
    }
  }
`;

export const interactions = graphql`
  fragment customers_interactions on Customer
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" })
  @refetchable(queryName: "customersInteractionsPaginationQuery") {
    interactions(first: $count, after: $cursor) @connection(key: "customersInteractions_interactions") {
      edges {
        node {
          subject
        }
      }
    }
  }
`;
