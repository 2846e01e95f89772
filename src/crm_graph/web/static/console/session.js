// Who is signed in: a session in a cookie that no script reads, exchanged for a token of some minutes, kept in memory.

export const SIGN_IN = "console/sign-in";
const OURS = { Accept: "application/json", "X-Crm-Graph-Console": "1" };
const SPARE_S = 15;

let held = null;
let asking = null;

/** A token that holds; null for nobody signed in. */
export async function token() {
  if (held && held.until > Date.now()) return held.value;
  asking ??= exchanged().finally(() => (asking = null));
  return asking;
}

/** Let go of a token that was refused. */
export function forget() {
  held = null;
}

async function exchanged() {
  held = null;
  const answer = await fetch("console/token", { method: "POST", headers: OURS });
  if (answer.status === 401) return null;
  if (!answer.ok) throw new Error(String(answer.status));
  const told = await answer.json();
  held = { value: told.access_token, until: Date.now() + (told.expires_in - SPARE_S) * 1000 };
  return held.value;
}

/** End the session. */
export async function signOut() {
  held = null;
  await fetch("console/sign-out", { method: "POST", headers: OURS });
}
