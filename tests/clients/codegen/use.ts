// A front end that uses the generated types; it must compile, and would not if the schema said less.
import type { CustomersQuery, CustomersQueryVariables, RenameMutation } from "./operations";
import type { Query } from "./schema";

export const asked: CustomersQueryVariables = {
  first: 10,
  where: { kind: { eq: "ORGANIZATION" }, not: { name: { startsWith: "x" } } },
};

export function cards(data: CustomersQuery): string[] {
  return data.customers.nodes.map((customer) => {
    const [contract] = customer.contracts.nodes;
    const amount: string | undefined = contract?.grossAmount?.amount;
    return `${customer.id} ${customer.name ?? customer.maskedFields.join()} ${amount ?? ""}`;
  });
}

export function codes(data: RenameMutation): string[] {
  return data.updateCustomer.errors.map((error) => error.code);
}

export function node(query: Query): string | undefined {
  return query.node?.id;
}

// @ts-expect-error: a filter has the fields of the schema and no others
export const wrong: CustomersQueryVariables = { first: 1, where: { nope: { eq: "x" } } };
