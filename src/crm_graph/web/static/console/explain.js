// Why somebody sees something: which grant decides, and who else sees a field.

import { ask } from "./api.js";
import { field, fill, h, select } from "./dom.js";
import { idOf } from "./people.js";
import { loading, refusals } from "./states.js";
import { label, number, t } from "./texts.js";
import { Words } from "./words.js";

const KNOWN = `query Known {
  roles { key label { zh en } }
  grantable { types { name label { zh en } fields { name label { zh en } dataClass } } }
}`;
const GRANT = "role through rowRule level writable matches decides words";
const EXPLAIN = `query Explain($role: String, $user: ID, $client: String, $type: String!, $field: String, $id: ID) {
  explainAccess(role: $role, user: $user, client: $client, type: $type, field: $field, id: $id) {
    summary level conditional writable visible recordExists grants { ${GRANT} }
  }
}`;
const REPORT = `query Report($type: String!, $field: String!) {
  accessReport(type: $type, field: $field) {
    roles { role label { zh en } level conditional writable users }
    idleGrants { words reason }
  }
}`;

export async function show(into, asked) {
  const { values, me } = asked;
  fill(into, loading());
  const known = me.actions.has("roles:read") ? await ask(KNOWN) : { roles: [], grantable: { types: [] } };
  if (!asked.current()) return;
  const words = new Words(known.roles, known.grantable.types);
  const given = Object.fromEntries(["as", "who", "type", "field", "id"].map((name) => [name, values.get(name) ?? ""]));
  given.as ||= "role";
  const answer = h("div", { "aria-live": "polite" });
  fill(into, h("header", { class: "bar" }, h("h1", {}, t("explain"))), h("p", { class: "quiet" }, t("explainHint")), form(words, known, given), answer);
  if (!given.type || !given.who) return;
  fill(answer, loading());
  await tell(answer, words, given);
}

function form(words, known, given) {
  const fields = h("datalist", { id: "fields" });
  const suggest = (type) => fill(fields, [...words.fields(type).values()].map((one) => h("option", { value: one.name }, label(one.label))));
  const who = h("span", {});
  const drawWho = (as) =>
    fill(
      who,
      field(t({ role: "aRole", user: "searchPeople", client: "aClient" }[as]), (with_) =>
        as === "role" && known.roles.length
          ? select(known.roles.map((one) => [one.key, label(one.label)]), given.as === as && given.who ? given.who : "sales", { ...with_, name: "who" })
          : h("input", { ...with_, type: "text", name: "who", required: true, autocomplete: "off", value: given.as === as ? given.who : "" }),
      ),
    );
  const types = [...words.types.keys()];
  const text = (name, key, hint, more = {}) => field(t(key), (with_) => h("input", { ...with_, type: "text", name, autocomplete: "off", spellcheck: "false", value: given[name], ...more }), { hint: hint && t(hint) });
  const go = (event) => {
    event.preventDefault();
    const query = new URLSearchParams([...new FormData(event.target)].filter(([, value]) => value));
    const to = `#/explain?${query}`;
    if (location.hash === to) dispatchEvent(new Event("hashchange"));
    else location.hash = to;
  };
  drawWho(given.as);
  suggest(given.type || types[0]);
  return h(
    "form",
    { class: "asking", onsubmit: go },
    field(t("who"), (with_) => select([["role", t("aRole")], ["user", t("person")], ["client", t("client")]], given.as, { ...with_, name: "as", onchange: (event) => drawWho(event.target.value) })),
    who,
    types.length
      ? field(t("type"), (with_) => select(types.map((one) => [one, words.type(one)]), given.type || types[0], { ...with_, name: "type", onchange: (event) => suggest(event.target.value) }))
      : text("type", "type", null, { required: true }),
    text("field", "field", "fieldHint", { list: "fields" }),
    text("id", "record", "recordHint"),
    fields,
    h("button", { class: "first" }, t("ask")),
  );
}

async function tell(answer, words, given) {
  const variables = { type: given.type, field: given.field || null, id: given.id || null };
  try {
    variables[given.as] = given.as === "user" ? ((await idOf(given.who)) ?? given.who) : given.who;
    const [{ explainAccess }, report] = await Promise.all([ask(EXPLAIN, variables), given.field ? ask(REPORT, { type: given.type, field: given.field }) : null]);
    fill(answer, verdict(words, explainAccess), report && who(words, given, report.accessReport));
  } catch (error) {
    if (!error.errors?.length) throw error;
    fill(answer, refusals(error.errors.map((one) => ({ message: one.message, at: (one.extensions?.argument ?? []).slice(1).join(".") }))));
  }
}

function verdict(words, told) {
  const matches = { true: t("yes"), false: t("no"), null: t("depends") };
  return h(
    "section",
    {},
    h("h2", {}, t("verdict")),
    h("p", { class: "verdict", "data-state": told.level }, told.summary),
    h("h2", {}, t("grantsOf")),
    told.grants.length
      ? h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": t("grantsOf") },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ["role", "rows", "level", "matches", "inWords"].map((one) => h("th", { scope: "col" }, t(one))))),
            h(
              "tbody",
              {},
              told.grants.map((grant) =>
                h(
                  "tr",
                  { class: grant.decides ? "decides" : null },
                  h("th", { scope: "row" }, h("a", { href: `#/roles/${grant.role}` }, words.role(grant.role)), grant.decides && h("span", { class: "chip strong" }, t("decides")), grant.through.length > 1 && h("small", { class: "under" }, grant.through.map(words.role).join(" → "))),
                  h("td", {}, t(grant.rowRule)),
                  h("td", { "data-state": grant.writable && grant.level === "READ" ? "WRITE" : grant.level }, t(grant.level === "HIDDEN" ? "hidden" : grant.writable && grant.level === "READ" ? "WRITE" : grant.level)),
                  h("td", {}, matches[String(grant.matches)]),
                  h("td", { class: "words" }, grant.words),
                ),
              ),
            ),
          ),
        )
      : h("p", { class: "empty" }, t("noGrantsOn")),
  );
}

function who(words, given, report) {
  return h(
    "section",
    {},
    h("h2", {}, `${t("report")}: ${words.type(given.type)} · ${words.field(given.type, given.field)}`),
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ["role", "level", "usersHave"].map((one) => h("th", { scope: "col" }, t(one))))),
      h(
        "tbody",
        {},
        report.roles.map((one) =>
          h("tr", {}, h("th", { scope: "row" }, h("a", { href: `#/roles/${one.role}` }, label(one.label))), h("td", { "data-state": one.writable && one.level === "READ" ? "WRITE" : one.level }, t(one.writable && one.level === "READ" ? "WRITE" : one.level), one.conditional && h("small", {}, ` ${t("depends")}`)), h("td", {}, number(one.users))),
        ),
      ),
    ),
    report.idleGrants.length > 0 && [h("h2", {}, t("idle")), h("ul", {}, report.idleGrants.map((one) => h("li", {}, one.words)))],
  );
}
