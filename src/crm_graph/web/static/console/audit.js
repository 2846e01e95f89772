// Reads that matter: who was told of which records, when, and none of what they were told.

import { ask } from "./api.js";
import { field, fill, h, select } from "./dom.js";
import { idOf } from "./people.js";
import { loading, refusals } from "./states.js";
import { moment, number, t } from "./texts.js";
import { Words } from "./words.js";

const READ = "id type at actorId actorName clientId source requestId recordType recordId customerId fields records lookedFor reason details";
const LIST = `query Reads($after: String, $where: AuditedReadWhere) {
  auditedReads(first: 50, after: $after, where: $where) { nodes { ${READ} } pageInfo { hasNextPage endCursor } totalCount totalCountCapped }
}`;
const TYPES = `query Types { grantable { types { name label { zh en } fields { name label { zh en } dataClass } } } }`;

/** What is done with records of any type, and with things that are none. */
const OF_RECORDS = ["looked_up", "unmasked", "duplicate_checked", "paged", "explained"];
const OF_OTHERS = ["role.simulated", "role.previewed", "export.created", "export.started", "export.downloaded"];
/** What is narrowed by, with its label. */
const LABELS = { what: "whatRead", who: "whoRead", since: "since", until: "before", record: "record", customer: "customerId", same: "sameValue" };

const snake = (name) => name.replace(/(?<!^)([A-Z])/g, "_$1").toLowerCase();

export async function show(into, asked) {
  const { me, values } = asked;
  const given = Object.fromEntries(Object.keys(LABELS).map((name) => [name, values.get(name) ?? ""]));
  fill(into, loading());
  const { grantable } = me.actions.has("roles:read") ? await ask(TYPES) : { grantable: { types: [] } };
  if (!asked.current()) return;
  const words = new Words([], grantable.types);
  const answer = h("div", { "aria-live": "polite" }, loading());
  fill(into, h("header", { class: "bar" }, h("h1", {}, t("audit"))), h("p", { class: "quiet" }, t("auditHint")), form(words, given), answer);
  await list(answer, words, given, asked);
}

function form(words, given) {
  const go = (event) => {
    event.preventDefault();
    const to = link(Object.fromEntries(new FormData(event.target)));
    if (location.hash === to) dispatchEvent(new Event("hashchange"));
    else location.hash = to;
  };
  const input = (name, more) => field(t(LABELS[name]), (with_) => h("input", { ...with_, type: "text", name, autocomplete: "off", spellcheck: "false", value: given[name], ...more }));
  const kinds = [["", t("anything")], ...(words.types.size ? OF_RECORDS.map((one) => [one, t(`read_${one}`)]) : []), ...OF_OTHERS.map((one) => [one, t(`read_${one}`)])];
  if (given.what && !kinds.some(([one]) => one === given.what)) kinds.push([given.what, given.what]);
  return h(
    "form",
    { class: "asking", role: "search", onsubmit: go },
    field(t(LABELS.what), (with_) => select(kinds, given.what, { ...with_, name: "what" })),
    input("who", { placeholder: t("whoReadHint") }),
    input("since", { type: "datetime-local" }),
    input("until", { type: "datetime-local" }),
    input("record"),
    input("customer"),
    given.same && input("same"),
    h("button", { class: "first" }, t("search")),
    Object.values(given).some(Boolean) && h("a", { class: "button", href: "#/audit" }, t("all")),
  );
}

const link = (given) => {
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value));
  return `#/audit${query.size ? `?${query}` : ""}`;
};

async function list(answer, words, given, asked) {
  const body = h("tbody", {});
  const more = h("button", { type: "button", onclick: () => follow() }, t("older"));
  let where;
  let after = null;
  const page = async () => {
    const { auditedReads } = await ask(LIST, { after, where });
    const rows = auditedReads.nodes.map((read) => row(words, given, read));
    body.append(...rows);
    after = auditedReads.pageInfo.endCursor;
    more.hidden = !auditedReads.pageInfo.hasNextPage;
    return [rows, auditedReads];
  };
  async function follow() {
    const [rows] = await page();
    rows[0]?.querySelector("a")?.focus();
  }
  try {
    where = await condition(words, given);
    if (where === null) {
      fill(answer, h("p", { class: "empty" }, t("nobody")));
      return;
    }
    const [rows, { totalCount, totalCountCapped }] = await page();
    if (!asked.current()) return;
    fill(
      answer,
      h("p", { class: "quiet" }, t(totalCountCapped ? "foundMore" : "found", { n: number(totalCount) })),
      rows.length
        ? h(
            "div",
            { class: "scroll", tabindex: "0", role: "region", "aria-label": t("audit") },
            h("table", {}, h("thead", {}, h("tr", {}, ["when", "whoRead", "whatRead", "field", "howMany", "record", "notes"].map((one) => h("th", { scope: "col", class: one === "howMany" ? "number" : null }, t(one))))), body),
          )
        : h("p", { class: "empty" }, t("noReads")),
      more,
    );
  } catch (error) {
    if (!error.errors?.length) throw error;
    fill(answer, refusals(error.errors.map((one) => ({ message: one.message, at: (one.extensions?.argument ?? []).slice(-1).join("") }))));
  }
}

/** `where` of the API for what the form says; null where nobody is called so. */
async function condition(words, given) {
  const found = {};
  if (OF_RECORDS.includes(given.what)) found.types = [...words.types.keys()].map((one) => `${snake(one)}.${given.what}`);
  else if (given.what) found.types = [given.what];
  if (given.who) {
    const actor = await idOf(given.who);
    if (actor === undefined) return null;
    found.actor = actor;
  }
  if (given.record) found.record = given.record;
  if (given.customer) found.customer = given.customer;
  if (given.same) found.lookedFor = given.same;
  if (given.since) found.since = new Date(given.since).toISOString();
  if (given.until) found.until = new Date(given.until).toISOString();
  return found;
}

function row(words, given, read) {
  const type = [...words.types.values()].find((one) => snake(one.name) === read.recordType);
  const [, verb] = read.type.split(".");
  const narrowed = (name, value, ...said) => h("a", { href: link({ ...given, [name]: value }), title: t("onlyThis") }, said);
  const fields = (read.recordType === "export" ? [] : read.fields).map((one) => (type ? words.field(type.name, one) : one));
  const kind = OF_RECORDS.includes(verb) ? t(`read_${verb}`) : OF_OTHERS.includes(read.type) ? t(`read_${read.type}`) : read.type;
  return h(
    "tr",
    {},
    h("td", { class: "when" }, h("time", { datetime: read.at, title: read.at }, moment(read.at))),
    h("th", { scope: "row" }, read.actorId ? narrowed("who", read.actorId, read.actorName ?? read.actorId) : "–", read.clientId && h("code", { class: "under" }, read.clientId)),
    h("td", {}, kind, type && h("small", { class: "under" }, words.type(type.name))),
    h("td", {}, fields.join(", "), read.lookedFor && h("small", { class: "under" }, narrowed("same", read.lookedFor, t("sameValue")))),
    h("td", { class: "number" }, read.recordType === "role" ? "" : number(read.records)),
    h("td", {}, read.recordId && narrowed("record", read.recordId, h("code", {}, read.recordId)), read.customerId && read.customerId !== read.recordId && h("small", { class: "under" }, `${t("customer")} `, narrowed("customer", read.customerId, h("code", {}, read.customerId)))),
    h("td", { class: "words" }, read.reason, details(read.details)),
  );
}

/** What else is said of a read: in one line, what has parts of its own behind a word. */
function details(given) {
  const said = Object.entries(given ?? {}).filter(([, value]) => value !== null && value !== undefined);
  const plain = said.filter(([, value]) => Array.isArray(value) || typeof value !== "object");
  const whole = said.filter((one) => !plain.includes(one));
  return [
    plain.length > 0 && h("small", { class: "under" }, plain.map(([name, value]) => `${name}: ${Array.isArray(value) ? value.join(", ") : value}`).join("; ")),
    whole.map(([name, value]) => h("details", {}, h("summary", {}, value.role ? `${name}: ${value.role}` : name), h("pre", { tabindex: "0" }, JSON.stringify(value, null, 1)))),
  ];
}
