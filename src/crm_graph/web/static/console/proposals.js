// Edits of rights that wait for a second approver: what each would change, and somebody's word on it.

import { ask, change } from "./api.js";
import { h } from "./dom.js";
import { asking } from "./forms.js";
import { differences, draftOf, traced } from "./rights.js";
import { ERRORS, changeList } from "./saving.js";
import { moment, t } from "./texts.js";

export const WAITING = "rightsProposals(state: PENDING) { id verb input reason proposedBy proposedAt }";
const NAMES = `query Names($ids: [ID!]!) {
  users(first: 200, where: { id: { in: $ids } }) { nodes { id name } }
  teams(first: 200, where: { id: { in: $ids } }) { nodes { id name } }
}`;
const decide = (verb) => `mutation Decide($proposal: ID!, $reason: String) { ${verb}(proposal: $proposal, reason: $reason) { proposal { state } ${ERRORS} } }`;

/** The users and teams that a proposal names. */
export const idsIn = ({ user, users = [], id, team, parent }) => [user, ...users, id, team, parent];

/** The names of users and teams by their ids, as far as they are seen. */
export async function namesOf(ids) {
  const asked = [...new Set(ids.filter(Boolean))].slice(0, 200);
  if (!asked.length) return new Map();
  const { users, teams } = await ask(NAMES, { ids: asked });
  return new Map([...users.nodes, ...teams.nodes].map((one) => [one.id, one.name]));
}

/** What waits, as a part of a page; null for nothing. */
export async function waiting(page, proposals) {
  if (!proposals.length) return null;
  const names = await namesOf(proposals.flatMap((one) => [one.proposedBy, ...idsIn(one.input)]));
  return h(
    "details",
    { class: "waiting" },
    h("summary", {}, t("waiting", { n: proposals.length })),
    h("ul", {}, proposals.map((one) => h("li", {}, item(page, one, names)))),
  );
}

/** What a proposal is, in a few words; `names` are those of users and teams by id. */
export function proposed(words, names, { verb, input }) {
  const called = (id) => names.get(id) ?? id;
  const parts = Object.keys(input).filter((one) => !["url", "reason"].includes(one) && input[one] !== null).map((one) => t(one));
  return t(`verb_${verb}`, { client: input.clientId, secret: input.secretId, url: input.url, parts: parts.join(", "), issuer: input.issuer, subject: input.subject, role: words.role(input.role ?? input.key ?? input.input?.key), as: input.as, user: called(input.user), users: (input.users ?? []).map(called).join(", "), team: called(input.team ?? input.id), parent: input.parent ? called(input.parent) : "–", until: input.until ? t("untilAt", { when: moment(input.until) }) : "" });
}

function item(page, proposal, names) {
  const { me, words } = page;
  const { input, proposedBy, proposedAt, reason } = proposal;
  const mine = proposedBy === me.id;
  const about = proposed(words, names, proposal);
  const button = (name, mutation, first) => h("button", { type: "button", class: first ? "first" : null, "aria-label": `${t(name)}: ${about}`, onclick: () => decided(page, proposal, about, name, mutation) }, t(name));
  return [
    h("div", { class: "bar" }, h("strong", {}, about), h("span", { class: "quiet" }, `${names.get(proposedBy) ?? proposedBy}, ${moment(proposedAt)}${reason ? `: ${reason}` : ""}`), h("span", { class: "gap" }), mine ? button("takeBack", "withdrawRights") : me.actions.has("roles:approve") && [button("reject", "rejectRights"), button("approve", "approveRights", true)]),
    changes(words, input),
  ];
}

/** What a proposal changes of a role that there is. */
function changes(words, input) {
  const role = words.roles.get(input.role ?? input.key);
  const becomes = input.grants ? { grants: input.grants } : input.input;
  if (role === undefined || becomes === undefined || input.user) return null;
  const given = Object.fromEntries(Object.entries(becomes).filter(([, value]) => value !== null));
  return changeList(words, differences(draftOf(role), traced(draftOf(role), draftOf({ ...role, ...given }))));
}

const decided = (page, proposal, about, name, mutation) =>
  asking(`${t(name)}: ${about}`, name, { again: page.again, required: false, send: (reason) => change(decide(mutation), { proposal: proposal.id, reason }), said: () => t("done") });
