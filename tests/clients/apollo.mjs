// Apollo Client as a front end uses it, against URL with TOKEN: pages by cursor into one list, records kept by type and
// id, errors by code. PREFIX begins the names of the customers that it is about. Prints what it saw as JSON.
import { ApolloClient, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { relayStylePagination } from "@apollo/client/utilities";

const { URL: uri, TOKEN, PREFIX: prefix } = process.env;

const client = new ApolloClient({
  link: new HttpLink({ uri, headers: { Authorization: `Bearer ${TOKEN}` } }),
  cache: new InMemoryCache({
    possibleTypes: { Node: ["Customer"] },
    typePolicies: { Query: { fields: { customers: relayStylePagination(["where", "orderBy"]) } } },
  }),
});

const PAGE = gql`
  query Page($prefix: String!, $first: Int!, $after: String) {
    customers(first: $first, after: $after, where: { name: { startsWith: $prefix } }, orderBy: [{ name: ASC }]) {
      totalCount
      edges { cursor node { id name city } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
const CITY = gql`
  mutation City($id: ID!, $city: String!) {
    updateCustomer(id: $id, input: { city: $city }) { customer { id city } errors { code path } }
  }
`;
const ONE = gql`
  query One($id: ID!) { node(id: $id) { id ... on Customer { name city } } }
`;
const WRONG = gql`
  query Wrong { customers { nodes { nope } } }
`;

const names = (data) => data.customers.edges.map(({ node }) => node.name);

async function codeOf(asked) {
  try {
    await asked;
    return null;
  } catch (error) {
    return CombinedGraphQLErrors.is(error) ? error.errors.map((e) => e.extensions.code) : String(error);
  }
}

const asked = { query: PAGE, variables: { prefix, first: 2 } };
const first = (await client.query(asked)).data;
const pages = client.watchQuery(asked);
const watching = pages.subscribe(() => {});
let { pageInfo } = first.customers;
while (pageInfo.hasNextPage) {
  const more = await pages.fetchMore({ variables: { after: pageInfo.endCursor } });
  ({ pageInfo } = more.data.customers);
}
const merged = client.readQuery(asked);

const { id } = merged.customers.edges[0].node;
const changed = await client.mutate({ mutation: CITY, variables: { id, city: "苏州" } });
const refused = await client.mutate({ mutation: CITY, variables: { id, city: "x".repeat(20000) } });

console.log(JSON.stringify({
  firstPage: names(first),
  total: first.customers.totalCount,
  allPages: names(merged),
  cachedAs: Object.keys(client.cache.extract()).filter((key) => key.startsWith("Customer:")).length,
  changed: changed.data.updateCustomer.customer.city,
  cityInTheList: client.readQuery(asked).customers.edges[0].node.city,
  refused: refused.data.updateCustomer.errors.map(({ code, path }) => ({ code, path })),
  node: (await client.query({ query: ONE, variables: { id } })).data.node,
  unknownField: await codeOf(client.query({ query: WRONG })),
  badVariable: await codeOf(client.query({ query: PAGE, variables: { prefix, first: 100000 }, fetchPolicy: "network-only" })),
}));
watching.unsubscribe();
