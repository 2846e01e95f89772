// Changes of rights: who changed what, when and why, what it was and is, and what waits for a second approver.

import { ask } from "./api.js";
import { field, fill, h } from "./dom.js";
import { address, lines, narrowing, refuse } from "./log.js";
import { idOf } from "./people.js";
import { WAITING, idsIn, namesOf, proposed, waiting } from "./proposals.js";
import { differences, draftOf, traced } from "./rights.js";
import { ROLE, changeList } from "./saving.js";
import { loading } from "./states.js";
import { label, moment, said, t } from "./texts.js";
import { Words } from "./words.js";

const LIST = `query Changes($after: String, $where: RightsChangeWhere) {
  rightsChanges(first: 50, after: $after, where: $where) {
    nodes { type at actorId actorName onBehalfOfId clientId aboutType aboutId aboutName before after reason }
    pageInfo { hasNextPage endCursor } totalCount totalCountCapped
  }
}`;
const KNOWN = `query Known {
  roles { ${ROLE} } ${WAITING}
  grantable { types { name label { zh en } fields { name label { zh en } dataClass } } }
}`;

/** What is done, by what it is done to. */
const DONE = {
  role: ["created", "updated", "grants_set", "reset", "removed"],
  user: ["role_granted", "role_revoked", "role_expired", "suspended", "reinstated", "identity_linked", "identity_unlinked", "created", "updated", "left"],
  team: ["created", "updated", "moved", "archived", "restored"],
  client: ["registered", "updated", "secret_added", "secret_retired", "tokens_revoked", "suspended", "reinstated", "removed"],
  issuer: ["created", "updated"],
  rights: ["proposed", "approved", "rejected", "withdrawn"],
};
const BY_HAND = "manual";
const MOMENTS = new Set(["until", "ends_at", "old_secrets_end_at"]);
/** More lines than these stand behind a word. */
const SHOWN = 6;

export async function show(into, asked) {
  const { me, values } = asked;
  const given = Object.fromEntries(["what", "about", "who", "since", "until"].map((name) => [name, values.get(name) ?? ""]));
  fill(into, loading());
  const { roles, grantable, rightsProposals } = await ask(KNOWN);
  const page = { me, given, words: new Words(roles, grantable.types), names: new Map(), again: () => show(into, asked) };
  const waits = await waiting(page, rightsProposals);
  if (!asked.current()) return;
  const answer = h("div", { "aria-live": "polite" }, loading());
  fill(into, h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("changes"))), h("p", { class: "quiet" }, t("changesHint")), waits, form(page), answer);
  await list(answer, page, asked);
}

function form({ given, words }) {
  const input = (name, label, more = {}) => field(t(label), (with_) => h("input", { ...with_, type: "text", name, autocomplete: "off", spellcheck: "false", value: given[name], ...more }));
  const option = (value, text) => h("option", { value }, text);
  const kinds = Object.entries(DONE).map(([kind, verbs]) => h("optgroup", { label: t(`about_${kind}`) }, option(kind, t("allOf", { kind: t(`about_${kind}`) })), verbs.map((verb) => option(`${kind}.${verb}`, t(`did_${kind}.${verb}`)))));
  const roles = h("datalist", { id: "about-roles" }, [...words.roles.keys()].map((key) => h("option", { value: key }, words.role(key))));
  return narrowing("changes", given, [
    field(t("kindOfChange"), (with_) => h("select", { ...with_, name: "what", value: given.what }, option("", t("anything")), kinds)),
    input("about", "ofWhat", { placeholder: t("ofWhatHint"), list: "about-roles" }),
    roles,
    input("who", "byWhom", { placeholder: t("whoReadHint") }),
    input("since", "since", { type: "datetime-local" }),
    input("until", "before", { type: "datetime-local" }),
  ]);
}

async function list(answer, page, asked) {
  let where;
  try {
    where = await condition(page);
  } catch (error) {
    refuse(answer, error);
    return;
  }
  if (where === null) {
    fill(answer, h("p", { class: "empty" }, t("nothingCalled")));
    return;
  }
  const next = async (after) => {
    const { rightsChanges } = await ask(LIST, { after, where });
    const { nodes } = rightsChanges;
    page.names = await namesOf(nodes.flatMap((one) => [one.onBehalfOfId, ...idsIn(one.after?.input ?? {})]));
    return [rightsChanges, nodes.map((one) => row(page, one))];
  };
  await lines(answer, { page: next, columns: ["when", "byWhom", "kindOfChange", "ofWhat", "wasAndIs", "reason"], name: "changes", empty: "noChangesFound", current: asked.current });
}

/** `where` of the API for what the form says; null where nothing or nobody is called so. */
async function condition({ given, words }) {
  const found = {};
  if (given.what) found.types = DONE[given.what]?.map((verb) => `${given.what}.${verb}`) ?? [given.what];
  if (given.about) {
    const role = [...words.roles.values()].find((one) => [one.key, one.label.zh, one.label.en].includes(given.about));
    found.about = role?.id ?? (await idOf(given.about));
  }
  if (given.who) found.by = await idOf(given.who);
  if (given.since) found.since = new Date(given.since).toISOString();
  if (given.until) found.until = new Date(given.until).toISOString();
  return (given.about && !found.about) || (given.who && !found.by) ? null : found;
}

function row(page, change) {
  const { given, names } = page;
  const narrowed = (name, value, ...text) => h("a", { href: address("changes", { ...given, [name]: value }), title: t("onlyThis") }, text);
  const { actorId, onBehalfOfId } = change;
  return h(
    "tr",
    {},
    h("td", { class: "when" }, h("time", { datetime: change.at, title: change.at }, moment(change.at))),
    h(
      "th",
      { scope: "row" },
      actorId ? narrowed("who", actorId, change.actorName ?? actorId) : t("theHub"),
      onBehalfOfId && h("small", { class: "under" }, t("proposedBy", { name: names.get(onBehalfOfId) ?? onBehalfOfId })),
      change.clientId && h("code", { class: "under" }, change.clientId),
    ),
    h("td", {}, said(`did_${change.type}`) ? t(`did_${change.type}`) : change.type),
    h("td", {}, change.aboutId && change.aboutType !== "rights_proposal" && narrowed("about", change.aboutType === "role" && page.words.roles.get(change.aboutName)?.id === change.aboutId ? change.aboutName : change.aboutId, called(page, change))),
    h("td", { class: "what" }, what(page, change)),
    h("td", { class: "words" }, change.reason),
  );
}

const called = ({ words }, { aboutType, aboutId, aboutName }) => (aboutType === "role" ? words.role(aboutName) : (aboutName ?? aboutId));

/** What it was and is. */
function what({ words, names }, { aboutType, before, after }) {
  if (aboutType === "rights_proposal") return proposed(words, names, after);
  const [was, is] = aboutType === "role" ? [rights(before), rights(after)] : [null, null];
  const plain = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => aboutType !== "role" || !["key", "grants", "inherits", "actions"].includes(name));
  const shown = plain.map((name) => part(words, aboutType, name, before[name], after[name])).filter(Boolean);
  const list = was ? changeList(words, differences(was, traced(was, is))) : h("ul", { class: "changes" });
  list.prepend(...shown.map((one) => h("li", {}, one)));
  const n = list.children.length;
  return n > SHOWN ? h("details", {}, h("summary", {}, t("changeCount", { n })), list) : n > 0 && list;
}

/** A role's rights, as far as a change tells of them. */
const rights = ({ key, inherits = [], actions = [], grants = [] }) => draftOf({ key, inherits, actions, grants });

function part(words, about, name, was, is) {
  const [before, after] = [value(words, name, was), value(words, name, is)];
  if (before === after) return null;
  const called = nameOf(words, about, name);
  if (before && Array.isArray(was) && Array.isArray(is)) {
    const [had, has] = [was, is].map((all) => all.map((one) => text(words, name, one)));
    const moved = [...has.filter((one) => !had.includes(one)).map((one) => `+ ${one}`), ...had.filter((one) => !has.includes(one)).map((one) => `− ${one}`)];
    return t("partIs", { name: called, value: moved.join(", ") });
  }
  return before ? t("wasNow", { name: called, before, after: after || "–" }) : t("partIs", { name: called, value: after });
}

const value = (words, name, given) => (given === null || given === undefined ? "" : Array.isArray(given) ? given.map((one) => text(words, name, one)).join(", ") : text(words, name, given));

/** What a part is called: of its own here, as a field of its type, or as elsewhere on the page. */
function nameOf(words, about, name) {
  if (said(`part_${name}`)) return t(`part_${name}`);
  const camel = name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
  const known = words.fields({ user: "User", team: "Team" }[about]).get(camel);
  return known ? label(known.label) : t(camel);
}

/** One value as people read it. */
function text(words, name, given) {
  if (typeof given === "boolean") return t(given ? "yes" : "no");
  if (name === "role" || name === "roles") return words.role(given);
  if (name === "origin" && given === BY_HAND) return "";
  if (name === "label") return `${given.en} / ${given.zh}`;
  if (name === "role_map") return `${given.claim.join(" > ")} = ${given.value} → ${[...given.roles.map(words.role), ...given.teams].join(", ")}`;
  if (MOMENTS.has(name)) return moment(given);
  if (name === "status") return t(given);
  return typeof given === "object" ? JSON.stringify(given) : String(given);
}
