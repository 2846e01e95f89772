// GraphQL over HTTP. Everything that the page knows, it knows from here.

import { forget, token } from "./session.js";
import { language } from "./texts.js";

/** What went wrong before there was an answer: `code` is that of the API, or SIGNED_OUT, UNREACHABLE. */
export class Failure extends Error {
  constructor(code, message, errors = []) {
    super(message);
    this.code = code;
    this.errors = errors;
  }
}

/** The data of an operation; `as` are the keys of roles to ask it as. Raises Failure. */
export async function ask(query, variables = {}, as = null) {
  const told = await answer(query, variables, as);
  if (told.errors) {
    const [first] = told.errors;
    throw new Failure(first.extensions?.code ?? "INTERNAL", first.message, told.errors);
  }
  return told.data;
}

/** All that is answered to an operation: `data`, `errors` and `extensions`. Raises Failure where nothing is. */
export async function answer(query, variables = {}, as = null) {
  let got = await post(query, variables, as);
  if (got.status === 401) {
    forget();
    got = await post(query, variables, as);
  }
  if (got.status === 401) throw new Failure("SIGNED_OUT", "");
  try {
    return await got.json();
  } catch {
    throw new Failure("UNREACHABLE", String(got.status));
  }
}

/** The payload of the one mutation in `query`: what it gives, and `errors` with a code, a message and a path each. */
export async function change(query, variables) {
  return Object.values(await ask(query, variables))[0];
}

async function post(query, variables, as) {
  try {
    const bearer = await token();
    if (bearer === null) throw new Failure("SIGNED_OUT", "");
    return await fetch("graphql", {
      method: "POST",
      headers: {
        Accept: "application/graphql-response+json, application/json",
        "Accept-Language": language() === "zh" ? "zh-CN" : "en",
        Authorization: `Bearer ${bearer}`,
        "Content-Type": "application/json",
        ...(as && { "CRM-Graph-Simulate-Role": as.join(", ") }),
      },
      body: JSON.stringify({ query, variables }),
    });
  } catch (error) {
    throw error instanceof Failure ? error : new Failure("UNREACHABLE", error.message);
  }
}
