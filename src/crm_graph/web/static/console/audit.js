// Reads that matter: who was told of which records, when, and none of what they were told.

import { ask } from "./api.js";
import { field, fill, h, select } from "./dom.js";
import { address, lines, narrowing, refuse } from "./log.js";
import { idOf } from "./people.js";
import { loading } from "./states.js";
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
  const input = (name, more) => field(t(LABELS[name]), (with_) => h("input", { ...with_, type: "text", name, autocomplete: "off", spellcheck: "false", value: given[name], ...more }));
  const kinds = [["", t("anything")], ...(words.types.size ? OF_RECORDS.map((one) => [one, t(`read_${one}`)]) : []), ...OF_OTHERS.map((one) => [one, t(`read_${one}`)])];
  if (given.what && !kinds.some(([one]) => one === given.what)) kinds.push([given.what, given.what]);
  return narrowing("audit", given, [
    field(t(LABELS.what), (with_) => select(kinds, given.what, { ...with_, name: "what" })),
    input("who", { placeholder: t("whoReadHint") }),
    input("since", { type: "datetime-local" }),
    input("until", { type: "datetime-local" }),
    input("record"),
    input("customer"),
    given.same && input("same"),
  ]);
}

async function list(answer, words, given, asked) {
  let where;
  try {
    where = await condition(words, given);
  } catch (error) {
    refuse(answer, error);
    return;
  }
  if (where === null) {
    fill(answer, h("p", { class: "empty" }, t("nobody")));
    return;
  }
  const page = async (after) => {
    const { auditedReads } = await ask(LIST, { after, where });
    return [auditedReads, auditedReads.nodes.map((read) => row(words, given, read))];
  };
  await lines(answer, { page, columns: ["when", "whoRead", "whatRead", "field", "howMany", "record", "notes"], name: "audit", empty: "noReads", current: asked.current });
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
  const narrowed = (name, value, ...said) => h("a", { href: address("audit", { ...given, [name]: value }), title: t("onlyThis") }, said);
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

const detail = (name) => t({ draft: "drafted", seconds: "withinSeconds", user: "person" }[name] ?? name);

/** What else is said of a read: in one line, what has parts of its own behind a word. */
function details(given) {
  const said = Object.entries(given ?? {}).filter(([, value]) => value !== null && value !== undefined);
  const plain = said.filter(([, value]) => Array.isArray(value) || typeof value !== "object");
  const whole = said.filter((one) => !plain.includes(one));
  return [
    plain.length > 0 && h("small", { class: "under" }, plain.map(([name, value]) => `${detail(name)}: ${Array.isArray(value) ? value.join(", ") : value}`).join("; ")),
    whole.map(([name, value]) => h("details", {}, h("summary", {}, value.role ? `${detail(name)}: ${value.role}` : detail(name)), h("pre", { tabindex: "0" }, JSON.stringify(value, null, 1)))),
  ];
}
