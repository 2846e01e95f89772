// OAuth clients: who they are, their secrets, and whether they are served.

import { ask, change } from "./api.js";
import { announce, dialog, field, fill, h, sending } from "./dom.js";
import { loading, refusals } from "./states.js";
import { label, moment, number, t } from "./texts.js";

const CLIENT = "clientId name status scopes roles source secrets { id endsAt } keyIds createdAt";
const LIST = `query Clients($after: String, $search: String) {
  clients(first: 100, after: $after, where: { search: $search }) {
    nodes { ${CLIENT} } pageInfo { hasNextPage endCursor } totalCount
  }
}`;
const ERRORS = "errors { code message path }";
const REGISTER = `mutation Register($clientId: String!, $name: String!, $scopes: [String!]!, $roles: [String!]!, $source: String) {
  registerClient(clientId: $clientId, name: $name, scopes: $scopes, roles: $roles, source: $source) { secret client { ${CLIENT} } proposal { id } ${ERRORS} }
}`;
const ROTATE = `mutation Rotate($clientId: String!, $oldEndsAt: DateTime) {
  rotateClientSecret(clientId: $clientId, oldEndsAt: $oldEndsAt) { secret client { ${CLIENT} } proposal { id } ${ERRORS} }
}`;
const WAITS = new Set(["reinstateClient"]);
const byId = (name) => `mutation Change($clientId: String!) { ${name}(clientId: $clientId) { client { ${CLIENT} } ${WAITS.has(name) ? "proposal { id }" : ""} ${ERRORS} } }`;

const ROLES = `query RoleNames { roles { key label { zh en } } }`;

export async function show(into, asked) {
  const { values, me, current } = asked;
  const search = values.get("search") ?? "";
  fill(into, loading());
  const [{ clients }, { roles }] = await Promise.all([ask(LIST, { search: search || null }), me.actions.has("roles:read") ? ask(ROLES) : { roles: null }]);
  if (!current()) return;
  const body = h("tbody", {});
  const again = () => show(into, asked);
  const put = (nodes) => body.append(...nodes.map((client) => row(client, again)));
  put(clients.nodes);
  let { pageInfo } = clients;
  const more = h("button", { type: "button", hidden: !pageInfo.hasNextPage, onclick: follow }, t("more"));
  async function follow() {
    const next = (await ask(LIST, { search: search || null, after: pageInfo.endCursor })).clients;
    put(next.nodes);
    pageInfo = next.pageInfo;
    more.hidden = !pageInfo.hasNextPage;
  }
  fill(
    into,
    h(
      "header",
      { class: "bar" },
      h("h1", {}, t("clients")),
      h("span", { class: "quiet" }, t("found", { n: number(clients.totalCount) })),
      h("span", { class: "gap" }),
      h("button", { type: "button", class: "first", onclick: () => register(again, roles) }, t("register")),
    ),
    clients.nodes.length
      ? h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": t("clients") },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, [t("client"), t("status"), t("roles"), t("scopes"), t("source"), t("secret"), ""].map((one) => h("th", { scope: "col" }, one || h("span", { class: "unseen" }, t("edit")))))),
            body,
          ),
        )
      : h("p", { class: "empty" }, t("noClients")),
    more,
  );
}

function row(client, again) {
  const { clientId, name, status } = client;
  const run = async (mutation, said) => {
    const told = await change(byId(mutation), { clientId });
    if (told.errors.length) return refused(told.errors);
    announce(told.proposal ? t("proposed") : said);
    return again();
  };
  const ends = client.secrets.filter((one) => one.endsAt).map((one) => t("untilAt", { when: moment(one.endsAt) }));
  const kept = [client.secrets.length && t("secretCount", { n: client.secrets.length }), client.keyIds.length && t("keyCount", { n: client.keyIds.length })].filter(Boolean);
  return h(
    "tr",
    { class: status === "ACTIVE" ? null : "off" },
    h("th", { scope: "row" }, name, h("code", { class: "under" }, clientId)),
    h("td", {}, h("span", { class: `state ${status.toLowerCase()}` }, t(status))),
    h("td", {}, client.roles.map((key) => h("a", { class: "chip", href: `#/roles/${key}` }, key))),
    h("td", { class: "codes" }, client.scopes.map((one) => h("code", {}, one))),
    h("td", {}, client.source && h("code", {}, client.source)),
    h("td", {}, kept.join(", "), ends.map((one) => h("small", { class: "under" }, one))),
    h(
      "td",
      { class: "acts" },
      (client.secrets.length > 0 || client.keyIds.length === 0) && status === "ACTIVE" && h("button", { type: "button", "aria-label": t("rotateOf", { name }), onclick: () => rotate(client, again) }, t("rotate")),
      status === "ACTIVE" && h("button", { type: "button", "aria-label": t("revokeTokensOf", { name }), onclick: () => run("revokeClientTokens", t("tokensRevoked", { name })) }, t("revokeTokens")),
      status === "ACTIVE" && h("button", { type: "button", "aria-label": t("suspendWhom", { name }), onclick: () => run("suspendClient", t("suspended", { name })) }, t("suspend")),
      status === "SUSPENDED" && h("button", { type: "button", "aria-label": t("resumeWhom", { name }), onclick: () => run("reinstateClient", t("resumed", { name })) }, t("resume")),
      status !== "REMOVED" && h("button", { type: "button", "aria-label": t("removeWhom", { name }), onclick: () => remove(name, () => run("removeClient", t("removed", { name }))) }, t("remove")),
    ),
  );
}

function refused(errors) {
  const { body, close } = dialog(t("clients"));
  fill(body, refusals(errors), h("div", { class: "ends" }, h("button", { type: "button", onclick: close }, t("close"))));
}

function remove(name, sure) {
  const { body, close } = dialog(t("removeWhom", { name }));
  const go = () => {
    close();
    sure();
  };
  fill(
    body,
    h("p", {}, t("removeClientSure", { name })),
    h("div", { class: "ends" }, h("button", { type: "button", onclick: close }, t("cancel")), h("button", { type: "button", class: "first danger", onclick: go }, t("remove"))),
  );
}

function register(again, roles) {
  const { body, close } = dialog(t("register"));
  const given = { clientId: "", name: "", scopes: "", roles: "", source: "" };
  const held = () => given.roles.split(/[\s,]+/).filter(Boolean);
  const tick = (key, on) => (given.roles = [...held().filter((one) => one !== key), ...(on ? [key] : [])].join(" "));
  const ticks = () =>
    h("fieldset", {}, h("legend", {}, t("roles")), h("div", { class: "ticks" }, roles.filter((one) => one.key !== "everyone").map(({ key, label: labels }) => h("label", {}, h("input", { type: "checkbox", checked: held().includes(key), onchange: (event) => tick(key, event.target.checked) }), " ", label(labels)))));
  const draw = (errors = []) => {
    const wrong = (name) => errors.filter((error) => error.path[0] === name).map((error) => error.message).join(" ");
    const input = (name, label, hint, required = true) =>
      field(t(label), (with_) => h("input", { ...with_, type: "text", value: given[name], required, autocomplete: "off", spellcheck: "false", oninput: (event) => (given[name] = event.target.value) }), { hint: hint && t(hint), error: wrong(name) });
    const rest = errors.filter((error) => !(error.path[0] in given) || (roles && error.path[0] === "roles"));
    fill(
      body,
      h(
        "form",
        { onsubmit: sending(send) },
        rest.length > 0 && refusals(rest),
        input("clientId", "clientId", "clientIdHint"),
        input("name", "name"),
        roles ? ticks() : input("roles", "roles", null, false),
        input("scopes", "scopes", "scopesHint"),
        input("source", "source", "sourceHint", false),
        h("div", { class: "ends" }, h("button", { type: "button", onclick: close }, t("cancel")), h("button", { class: "first" }, t("register"))),
      ),
    );
    (body.querySelector("[aria-invalid]") ?? body.querySelector("input")).focus();
  };
  async function send() {
    const words = (text) => text.split(/[\s,]+/).filter(Boolean);
    const told = await change(REGISTER, { ...given, scopes: words(given.scopes), roles: held(), source: given.source || null });
    if (told.errors.length) return draw(told.errors);
    close();
    await again();
    return tell(given.name, told);
  }
  draw();
}

function rotate(client, again) {
  const { body, close } = dialog(t("rotateOf", client));
  let ends = "";
  const draw = (errors = []) =>
    fill(
      body,
      h(
        "form",
        { onsubmit: sending(send) },
        errors.length > 0 && refusals(errors),
        field(t("oldEnds"), (with_) => h("input", { ...with_, type: "datetime-local", oninput: (event) => (ends = event.target.value) }), { hint: t("rotateHint") }),
        h("div", { class: "ends" }, h("button", { type: "button", onclick: close }, t("cancel")), h("button", { class: "first" }, t("rotate"))),
      ),
    );
  async function send() {
    const told = await change(ROTATE, { clientId: client.clientId, oldEndsAt: ends ? new Date(ends).toISOString() : null });
    if (told.errors.length) return draw(told.errors);
    close();
    await again();
    return tell(client.name, told);
  }
  draw();
}

/** A secret, this once: it is nowhere but in this dialog. */
function tell(name, { secret, proposal }) {
  if (!secret) return announce(t(proposal ? "proposed" : "done"));
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
  return undefined;
}
