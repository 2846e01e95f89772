// People and service accounts: which roles they have until when, and whether they may act.

import { ask, change } from "./api.js";
import { field, fill, h, select } from "./dom.js";
import { asking } from "./forms.js";
import { loading } from "./states.js";
import { label, moment, t } from "./texts.js";

const USER = "id username name kind status roles { key label { zh en } origin until expired }";
const LIST = `query People($first: Int!, $after: String, $where: UserWhere) {
  users(first: $first, after: $after, where: $where, orderBy: [{ username: ASC }]) {
    nodes { ${USER} } pageInfo { hasNextPage endCursor }
  }
}`;
const ROLES = `query RoleNames { roles { key label { zh en } } }`;
const ERRORS = "errors { code message path }";
const GRANT = `mutation Grant($user: ID!, $role: String!, $until: DateTime, $reason: String) { grantRole(user: $user, role: $role, until: $until, reason: $reason) { user { id } proposal { id } ${ERRORS} } }`;
const REVOKE = `mutation Revoke($user: ID!, $role: String!, $reason: String) { revokeRole(user: $user, role: $role, reason: $reason) { user { id } ${ERRORS} } }`;
const SUSPEND = `mutation Suspend($user: ID!, $reason: String) { suspendUser(user: $user, reason: $reason) { user { id } ${ERRORS} } }`;
const REINSTATE = `mutation Reinstate($user: ID!, $reason: String) { reinstateUser(user: $user, reason: $reason) { user { id } proposal { id } ${ERRORS} } }`;
const PERSON = `query Person($where: UserWhere) { users(first: 2, where: $where) { nodes { id } } }`;
const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const PAGE = 50;
const LOOKED_AT = 2_000;

export async function show(into, asked) {
  const { values, me } = asked;
  const [search, role] = [values.get("search") ?? "", values.get("role") ?? ""];
  fill(into, loading());
  const { roles } = await ask(ROLES);
  const found = reader(search, role);
  const first = await found();
  if (!asked.current()) return;
  const page = { me, roles, again: () => show(into, asked), canAssign: me.actions.has("roles:assign") };
  const body = h("tbody", {}, first.map((user) => row(page, user)));
  const more = h("button", { type: "button", hidden: found.ended(), onclick: follow }, t("more"));
  async function follow() {
    const next = (await found()).map((user) => row(page, user));
    body.append(...next);
    more.hidden = found.ended();
    next[0]?.querySelector("button")?.focus();
  }
  const go = (event) => {
    event.preventDefault();
    const given = new URLSearchParams([...new FormData(event.target)].filter(([, value]) => value));
    location.hash = `#/people${given.size ? `?${given}` : ""}`;
  };
  fill(
    into,
    h("header", { class: "bar" }, h("h1", {}, t("people"))),
    h(
      "form",
      { class: "asking", role: "search", onsubmit: go },
      field(t("searchPeople"), (with_) => h("input", { ...with_, type: "search", name: "search", value: search })),
      field(t("holdersOf"), (with_) => select([["", t("anyRole")], ...roles.filter((one) => one.key !== "everyone").map((one) => [one.key, label(one.label)])], role, { ...with_, name: "role" })),
      h("button", { class: "first" }, t("search")),
    ),
    first.length || !found.ended()
      ? h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": t("people") },
          h("table", {}, h("thead", {}, h("tr", {}, [t("person"), t("status"), t("roles")].map((one) => h("th", { scope: "col" }, one)), h("th", { scope: "col" }, h("span", { class: "unseen" }, t("edit"))))), body),
        )
      : h("p", { class: "empty" }, t("nobody")),
    more,
  );
}

/** The id of who has this id, this user name, or, if they are the only one, this name; undefined for nobody. */
export async function idOf(text) {
  if (ID.test(text)) return text;
  const found = async (where) => (await ask(PERSON, { where })).users.nodes;
  const [named] = await found({ username: { eq: text } });
  if (named) return named.id;
  const called = await found({ name: { eq: text } });
  return called.length === 1 ? called[0].id : undefined;
}

/** Pages of users, one with each call; those with a role are picked out of some thousand at a time. */
function reader(search, role) {
  const where = search ? { or: [{ name: { contains: search } }, { username: { contains: search } }] } : null;
  let after = null;
  let ended = false;
  const next = async () => {
    const found = [];
    let looked = 0;
    while (!ended && (role ? found.length < PAGE && looked < LOOKED_AT : looked === 0)) {
      const { users } = await ask(LIST, { first: role ? 200 : PAGE, after, where });
      looked += users.nodes.length;
      found.push(...users.nodes.filter((user) => !role || user.roles.some((one) => one.key === role)));
      after = users.pageInfo.endCursor;
      ended = !users.pageInfo.hasNextPage;
    }
    return found;
  };
  return Object.assign(next, { ended: () => ended });
}

function row(page, user) {
  const name = user.name || user.username;
  const active = user.status === "ACTIVE";
  return h(
    "tr",
    { class: active ? null : "off" },
    h("th", { scope: "row" }, name, h("small", { class: "under" }, h("code", {}, user.username), user.kind !== "PERSON" && ` ${t(user.kind)}`)),
    h("td", {}, h("span", { class: `state ${String(user.status).toLowerCase()}` }, t(user.status))),
    h("td", {}, user.roles.length ? h("ul", { class: "held" }, user.roles.map((role) => held(page, user, role))) : h("span", { class: "quiet" }, t("noRoles"))),
    h(
      "td",
      { class: "acts" },
      h("a", { class: "button", href: `#/changes?about=${user.id}`, "aria-label": `${t("history")}: ${name}` }, t("history")),
      page.canAssign && [
        h("button", { type: "button", "aria-label": `${t("giveRole")}: ${name}`, onclick: () => give(page, user) }, t("giveRole")),
        active
          ? h("button", { type: "button", "aria-label": t("suspendWhom", { name }), onclick: () => certain(page, t("suspendWhom", { name }), "suspend", SUSPEND, { user: user.id }, t("suspended", { name })) }, t("suspend"))
          : h("button", { type: "button", "aria-label": t("resumeWhom", { name }), onclick: () => certain(page, t("resumeWhom", { name }), "resume", REINSTATE, { user: user.id }, t("resumed", { name })) }, t("resume")),
      ],
    ),
  );
}

function held(page, user, role) {
  const name = user.name || user.username;
  const called = label(role.label);
  const ends = role.until && t(role.expired ? "ended" : "untilAt", { when: moment(role.until) });
  const take = () => certain(page, t("takeRole", { role: called, name }), "take", REVOKE, { user: user.id, role: role.key }, t("took", { role: called, name }));
  return h(
    "li",
    { class: role.expired ? "chip over" : "chip" },
    h("a", { href: `#/roles/${role.key}` }, called),
    ends && h("small", {}, ends),
    role.origin !== "manual" && h("small", {}, t("origin", { origin: role.origin })),
    page.canAssign && h("button", { type: "button", class: "plain", "aria-label": t("takeRole", { role: called, name }), title: t("take"), onclick: take }, "×"),
  );
}

function give(page, user) {
  const name = user.name || user.username;
  const names = new Map(page.roles.map((one) => [one.key, label(one.label)]));
  const options = page.roles.filter((one) => one.key !== "everyone").map((one) => [one.key, names.get(one.key)]);
  const given = { role: "", until: "" };
  asking(`${t("giveRole")}: ${name}`, "give", {
    again: page.again,
    shown: ["role", "until"],
    fields: (wrong) => [
      field(t("role"), (with_) => select([["", t("choose")], ...options], given.role, { ...with_, required: true, onchange: (event) => (given.role = event.target.value) }), { error: wrong("role") }),
      field(t("until"), (with_) => h("input", { ...with_, type: "datetime-local", value: given.until, oninput: (event) => (given.until = event.target.value) }), { hint: t("untilHint"), error: wrong("until") }),
    ],
    send: (reason) => change(GRANT, { user: user.id, role: given.role, until: given.until ? new Date(given.until).toISOString() : null, reason }),
    said: () => t("gave", { name, role: names.get(given.role) }),
  });
}

const certain = (page, title, verb, mutation, variables, said) => asking(title, verb, { again: page.again, send: (reason) => change(mutation, { ...variables, reason }), said: () => said });
