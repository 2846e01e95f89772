// The audits of GraphQL over HTTP, against URL with TOKEN: prints each audit's id, name and status as JSON.
import { serverAudits } from "graphql-http";

const { URL: url, TOKEN } = process.env;

function fetchFn(input, init = {}) {
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${TOKEN}`);
  return fetch(input, { ...init, headers });
}

const results = [];
for (const { fn } of serverAudits({ url, fetchFn })) {
  const { id, name, status, reason } = await fn();
  results.push({ id, name, status, ...(reason ? { reason } : {}) });
}
console.log(JSON.stringify(results));
