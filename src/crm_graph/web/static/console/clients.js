// OAuth clients: who they are, their secrets, and whether they are served.

import { ask, change } from "./api.js";
import { chooser, dialog, field, fill, h } from "./dom.js";
import { asking } from "./forms.js";
import { WAITING, waiting } from "./proposals.js";
import { loading } from "./states.js";
import { label, moment, number, t } from "./texts.js";
import { Words } from "./words.js";

const CLIENT = "clientId name status scopes roles source secrets { id endsAt } keyIds createdAt";
const LIST = `query Clients($after: String, $search: String) {
  clients(first: 100, after: $after, where: { search: $search }) {
    nodes { ${CLIENT} } pageInfo { hasNextPage endCursor } totalCount
  }
}`;
const ERRORS = "errors { code message path }";
const SEARCHED_FROM = 20;
const REGISTER = `mutation Register($clientId: String!, $name: String!, $scopes: [String!]!, $roles: [String!]!, $source: String, $reason: String) {
  registerClient(clientId: $clientId, name: $name, scopes: $scopes, roles: $roles, source: $source, reason: $reason) { secret client { clientId } proposal { id } ${ERRORS} }
}`;
const UPDATE = `mutation Update($clientId: String!, $name: String, $scopes: [String!], $roles: [String!], $reason: String) {
  updateClient(clientId: $clientId, name: $name, scopes: $scopes, roles: $roles, reason: $reason) { client { clientId } proposal { id } ${ERRORS} }
}`;
const ROTATE = `mutation Rotate($clientId: String!, $oldEndsAt: DateTime, $reason: String) {
  rotateClientSecret(clientId: $clientId, oldEndsAt: $oldEndsAt, reason: $reason) { secret client { clientId } proposal { id } ${ERRORS} }
}`;
const REINSTATE = `mutation Reinstate($clientId: String!, $reason: String) { reinstateClient(clientId: $clientId, reason: $reason) { proposal { id } ${ERRORS} } }`;
const byId = (name) => `mutation Change($clientId: String!, $reason: String) { ${name}(clientId: $clientId, reason: $reason) { ${ERRORS} } }`;
const ROLES = `query RoleNames { roles { key label { zh en } } grantable { scopes } ${WAITING} }`;
const OF_CLIENTS = ["registerClient", "updateClient", "reinstateClient", "rotateClientSecret"];

export async function show(into, asked) {
  const { values, me, current } = asked;
  const search = values.get("search") ?? "";
  fill(into, loading());
  const known = me.actions.has("roles:read");
  const [{ clients }, { roles, grantable, rightsProposals }] = await Promise.all([ask(LIST, { search: search || null }), known ? ask(ROLES) : { roles: null, grantable: null, rightsProposals: [] }]);
  const page = { me, roles, scopes: grantable?.scopes ?? [], words: new Words(roles ?? [], []), again: () => show(into, asked) };
  const waits = await waiting(page, rightsProposals.filter((one) => OF_CLIENTS.includes(one.verb)));
  if (!current()) return;
  const body = h("tbody", {}, clients.nodes.map((client) => row(page, client)));
  let { pageInfo } = clients;
  const more = h("button", { type: "button", hidden: !pageInfo.hasNextPage, onclick: follow }, t("more"));
  async function follow() {
    const next = (await ask(LIST, { search: search || null, after: pageInfo.endCursor })).clients;
    const rows = next.nodes.map((client) => row(page, client));
    body.append(...rows);
    pageInfo = next.pageInfo;
    more.hidden = !pageInfo.hasNextPage;
    rows[0]?.querySelector("button")?.focus();
  }
  const go = (event) => {
    event.preventDefault();
    const { search: text } = Object.fromEntries(new FormData(event.target));
    location.hash = text ? `#/clients?${new URLSearchParams({ search: text })}` : "#/clients";
  };
  fill(
    into,
    h("header", { class: "bar" }, h("h1", {}, t("clients")), h("span", { class: "quiet" }, t("found", { n: number(clients.totalCount) })), h("span", { class: "gap" }), h("button", { type: "button", class: "first", onclick: () => register(page) }, t("register"))),
    waits,
    (search || clients.totalCount > SEARCHED_FROM) &&
      h("form", { class: "asking", role: "search", onsubmit: go }, field(t("searchClients"), (with_) => h("input", { ...with_, type: "search", name: "search", value: search })), h("button", { class: "first" }, t("search"))),
    clients.nodes.length
      ? h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": t("clients") },
          h("table", {}, h("thead", {}, h("tr", {}, ["client", "status", "roles", "scopes", "source", "secret"].map((one) => h("th", { scope: "col" }, t(one))), h("th", { scope: "col" }, h("span", { class: "unseen" }, t("edit"))))), body),
        )
      : h("p", { class: "empty" }, t(search ? "nobody" : "noClients")),
    more,
  );
}

function row(page, client) {
  const { clientId, name, status } = client;
  const { again } = page;
  const run = (verb, mutation, said, danger) => asking(t(`${verb}Whom`, { name }), verb, { again, danger, send: (reason) => change(mutation, { clientId, reason }), said: () => t(said, { name }) });
  const button = (verb, onclick) => h("button", { type: "button", "aria-label": t(`${verb}Whom`, { name }), onclick }, t(verb));
  const kept = [client.secrets.length && t("secretCount", { n: client.secrets.length }), client.keyIds.length && t("keyCount", { n: client.keyIds.length })].filter(Boolean);
  const ends = client.secrets.filter((one) => one.endsAt).map((one) => t("untilAt", { when: moment(one.endsAt) }));
  return h(
    "tr",
    { class: status === "ACTIVE" ? null : "off" },
    h("th", { scope: "row" }, name, h("code", { class: "under" }, clientId)),
    h("td", {}, h("span", { class: `state ${status.toLowerCase()}` }, t(status))),
    h("td", {}, client.roles.map((key) => h("a", { class: "chip", href: `#/roles/${key}` }, page.words.role(key)))),
    h("td", { class: "codes" }, client.scopes.map((one) => h("code", {}, one))),
    h("td", {}, client.source && h("code", {}, client.source)),
    h("td", { class: "kept" }, kept.join(", "), ends.map((one) => h("small", { class: "under" }, one))),
    h(
      "td",
      { class: "acts" },
      status !== "REMOVED" && button("edit", () => edit(page, client)),
      (client.secrets.length > 0 || client.keyIds.length === 0) && status === "ACTIVE" && button("rotate", () => rotate(page, client)),
      status === "ACTIVE" && button("revokeTokens", () => run("revokeTokens", byId("revokeClientTokens"), "tokensRevoked", true)),
      status === "ACTIVE" && button("suspend", () => run("suspend", byId("suspendClient"), "suspended", true)),
      status === "SUSPENDED" && button("resume", () => run("resume", REINSTATE, "resumed")),
      status !== "REMOVED" && button("remove", () => run("remove", byId("removeClient"), "removed", true)),
    ),
  );
}

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/** What a client is called, may do and is, as fields: by ticks where roles can be read, by keys where they cannot. */
function settings({ roles, scopes: all }, given, wrong) {
  const input = (name, text, hint, required = true) =>
    field(t(text), (with_) => h("input", { ...with_, type: "text", value: given[name], required, autocomplete: "off", spellcheck: "false", oninput: (event) => (given[name] = event.target.value) }), { hint: hint && t(hint), error: wrong(name) });
  let area;
  const scopes = field(t("scopes"), (with_) => (area = h("textarea", { ...with_, rows: "3", required: true, spellcheck: "false", value: given.scopes, oninput: (event) => (given.scopes = event.target.value) })), { hint: t("scopesHint"), error: wrong("scopes") });
  const offer = (scope) => {
    given.scopes = area.value = [...words(given.scopes).filter((one) => one !== scope), scope].join(" ");
    adder.value = "";
  };
  const adder = chooser([["", t("addScope")], ...all.map((one) => [one, one])], { "aria-label": t("addScope") }, offer);
  const tick = (key, on) => (given.roles = [...words(given.roles).filter((one) => one !== key), ...(on ? [key] : [])].join(" "));
  const ticks = () =>
    h(
      "fieldset",
      {},
      h("legend", {}, t("roles")),
      h("div", { class: "ticks" }, roles.filter((one) => one.key !== "everyone").map(({ key, label: labels }) => h("label", { title: key }, h("input", { type: "checkbox", checked: words(given.roles).includes(key), onchange: (event) => tick(key, event.target.checked) }), " ", label(labels)))),
      wrong("roles") && h("p", { class: "error" }, wrong("roles")),
    );
  return [input("name", "name"), roles ? ticks() : input("roles", "roles", null, false), scopes, all.length > 0 && adder];
}

function register(page) {
  const given = { clientId: "", name: "", scopes: "", roles: "", source: "" };
  const input = (name, hint, required, wrong) =>
    field(t(name), (with_) => h("input", { ...with_, type: "text", value: given[name], required, autocomplete: "off", spellcheck: "false", oninput: (event) => (given[name] = event.target.value) }), { hint: t(hint), error: wrong(name) });
  asking(t("register"), "register", {
    shown: Object.keys(given),
    fields: (wrong) => [input("clientId", "clientIdHint", true, wrong), settings(page, given, wrong), input("source", "sourceHint", false, wrong)],
    send: (reason) => change(REGISTER, { ...given, scopes: words(given.scopes), roles: words(given.roles), source: given.source || null, reason }),
    again: page.again,
    then: (told) => told.secret && tell(given.name, told),
    said: () => t("registered", { name: given.name }),
  });
}

function edit(page, client) {
  const given = { name: client.name, scopes: client.scopes.join(" "), roles: client.roles.join(" ") };
  asking(t("editWhom", { name: client.name }), "save", {
    shown: Object.keys(given),
    fields: (wrong) => settings(page, given, wrong),
    send: (reason) => change(UPDATE, { clientId: client.clientId, name: given.name, scopes: words(given.scopes), roles: words(given.roles), reason }),
    again: page.again,
    said: () => t("saved"),
  });
}

function rotate(page, client) {
  let ends = "";
  asking(t("rotateWhom", client), "rotate", {
    shown: ["oldEndsAt"],
    fields: (wrong) => field(t("oldEnds"), (with_) => h("input", { ...with_, type: "datetime-local", value: ends, oninput: (event) => (ends = event.target.value) }), { hint: t("rotateHint"), error: wrong("oldEndsAt") }),
    send: (reason) => change(ROTATE, { clientId: client.clientId, oldEndsAt: ends ? new Date(ends).toISOString() : null, reason }),
    again: page.again,
    then: (told) => told.secret && tell(client.name, told),
    said: () => t("done"),
  });
}

/** A secret, this once: it is nowhere but in this dialog. */
function tell(name, { secret, proposal }) {
  const { body, close } = dialog(t("secretOf", { name }));
  const shown = h("input", { class: "secret", type: "text", readOnly: true, value: secret, onfocus: (event) => event.target.select() });
  const copied = h("span", { role: "status", class: "quiet" });
  const copy = async () => {
    shown.select();
    await navigator.clipboard.writeText(secret);
    copied.textContent = t("copied");
  };
  fill(
    body,
    h("p", {}, t("secretOnce"), proposal && ` ${t("secretWaits")}`),
    field(t("secret"), (with_) => Object.entries(with_).reduce((e, [k, v]) => (v && e.setAttribute(k, v), e), shown)),
    h("div", { class: "ends" }, copied, navigator.clipboard && h("button", { type: "button", onclick: copy }, t("copy")), h("button", { type: "button", class: "first", onclick: close }, t("close"))),
  );
  shown.focus();
}
