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

/** The data of an operation. Raises Failure. */
export async function ask(query, variables = {}) {
  let answer = await post(query, variables);
  if (answer.status === 401) {
    forget();
    answer = await post(query, variables);
  }
  if (answer.status === 401) throw new Failure("SIGNED_OUT", "");
  let told;
  try {
    told = await answer.json();
  } catch {
    throw new Failure("UNREACHABLE", String(answer.status));
  }
  if (told.errors) {
    const [first] = told.errors;
    throw new Failure(first.extensions?.code ?? "INTERNAL", first.message, told.errors);
  }
  return told.data;
}

/** The payload of the one mutation in `query`: what it gives, and `errors` with a code, a message and a path each. */
export async function change(query, variables) {
  return Object.values(await ask(query, variables))[0];
}

async function post(query, variables) {
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
      },
      body: JSON.stringify({ query, variables }),
    });
  } catch (error) {
    throw error instanceof Failure ? error : new Failure("UNREACHABLE", error.message);
  }
}
