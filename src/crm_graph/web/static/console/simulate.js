// Looking as another role: what it sees of a list, a record or a query, beside what whoever looks sees themselves.

import { answer, ask } from "./api.js";
import { field, fill, h, select, sending } from "./dom.js";
import { Shape } from "./records.js";
import { loading, refusals } from "./states.js";
import { label, number, t } from "./texts.js";

const ROLES = `query RoleNames { roles { key label { zh en } } }`;
const KNOWN = `query Known {
  entityMetadata { name label { zh en } fields { name custom kind label { zh en } target dataClass options { value label { zh en } } } }
  __type(name: "Query") { fields { name args { name } type { ofType { name } } } }
}`;
const SEEN = `query Seen { entityMetadata { name fields { name } } }`;
const SHOWN = 20;

export async function show(into, asked) {
  const { values, me } = asked;
  const given = Object.fromEntries(["role", "also", "what", "type", "id", "search", "all"].map((name) => [name, values.get(name) ?? ""]));
  given.what ||= "list";
  fill(into, loading());
  const [{ roles }, known] = await Promise.all([me.actions.has("roles:read") ? ask(ROLES) : { roles: [] }, ask(KNOWN)]);
  if (!asked.current()) return;
  const page = { me, roles, shape: new Shape(known), given, as: [given.role, given.also].filter(Boolean), called: (key) => label(roles.find((one) => one.key === key)?.label) || key };
  const told = h("div", { "aria-live": "polite" });
  const steps = given.role && (given.what === "query" || given.type);
  fill(into, h("header", { class: "bar" }, h("h1", {}, t("simulate"))), steps ? banner(page) : h("p", { class: "quiet" }, t("simulateHint")), form(page), told);
  if (!steps) return;
  if (given.what === "query") {
    fill(told, query(page));
    return;
  }
  fill(told, loading());
  try {
    const shown = given.id ? await record(page) : await list(page);
    if (asked.current()) fill(told, shown);
  } catch (error) {
    if (!error.errors?.length) throw error;
    fill(told, refusals(error.errors));
  }
}

/** That one looks as somebody else, for as long as one does. */
const banner = (page) =>
  h("p", { class: "simulating" }, h("strong", {}, t("simulating", { role: page.as.map(page.called).join(" + ") })), " ", t("simulatingHint"), h("span", { class: "gap" }), h("a", { class: "button", href: "#/simulate" }, t("stop")));

const link = (given) => `#/simulate?${new URLSearchParams(Object.entries(given).filter(([, value]) => value))}`;

function form({ roles, shape, given }) {
  const options = roles.filter((one) => one.key !== "everyone").map((one) => [one.key, label(one.label)]);
  const role = (name, text, first, hint) =>
    field(t(text), (with_) => (options.length ? select([...first, ...options], given[name] || (first.length ? "" : options[0][0]), { ...with_, name }) : h("input", { ...with_, type: "text", name, required: !first.length, autocomplete: "off", value: given[name] })), { hint });
  const input = (name, text, hint) => field(t(text), (with_) => h("input", { ...with_, type: "text", name, autocomplete: "off", spellcheck: "false", value: given[name] }), { hint: t(hint) });
  const of = h("span", {});
  const draw = (what) =>
    fill(
      of,
      what === "list" && [
        field(t("type"), (with_) => select([...shape.types.values()].map((one) => [one.name, label(one.label)]), given.type || undefined, { ...with_, name: "type" }), { hint: t("typesYouSee") }),
        input("search", "search", "searchHint"),
        input("id", "record", "listHint"),
      ],
    );
  const go = (event) => {
    event.preventDefault();
    const to = link(Object.fromEntries(new FormData(event.target)));
    if (location.hash === to) dispatchEvent(new Event("hashchange"));
    else location.hash = to;
  };
  draw(given.what);
  return h(
    "form",
    { class: "asking", onsubmit: go },
    role("role", "role", []),
    role("also", "togetherWith", [["", t("noOther")]]),
    field(t("lookAt"), (with_) => select([["list", t("records")], ["query", t("aQuery")]], given.what, { ...with_, name: "what", onchange: (event) => draw(event.target.value) })),
    of,
    h("button", { class: "first" }, t("lookAs")),
  );
}

/**
 * What both see of a type: one's own rows in `own`, with what the role sees of each in `seen`, by id; `total` and `whole`
 * count what either sees. Rows are those that the role sees, or, with `all`, those that one sees oneself.
 */
async function compared(page, { first, after = null, where, search, all }) {
  const { shape, given, as } = page;
  const type = shape.types.get(given.type);
  if (type === undefined) return null;
  const theirs = new Map((await ask(SEEN, {}, as)).entityMetadata.map((one) => [one.name, new Set(one.fields.map((field_) => field_.name))]));
  if (!theirs.has(type.name)) return null;
  const root = shape.root(given.type);
  const found = { type, fields: type.fields.filter((one) => one.name !== "id"), visible: theirs.get(type.name) };
  const wanted = { first, after, where, search };
  const listed = (seen, variables) => ask(shape.query(root, type, seen, variables), variables, seen && as);
  const these = (list) => ({ first: list.page.nodes.length, where: { id: { in: list.page.nodes.map((one) => one.id) } } });
  const [base, count] = await Promise.all([listed(all ? null : theirs, wanted), ask(shape.count(root, type, { search }), { where, search }, all ? as : null)]);
  const other = await listed(all ? theirs : null, these(base));
  const [own, seen] = all ? [base, other] : [other, base];
  const mine = new Map(own.page.nodes.map((one) => [one.id, one]));
  found.own = base.page.nodes.map((one) => mine.get(one.id)).filter(Boolean);
  found.seen = new Map(seen.page.nodes.map((one) => [one.id, one]));
  [found.total, found.whole] = all ? [count.page, base.page] : [base.page, count.page];
  found.pageInfo = base.page.pageInfo;
  return found;
}

const nothing = (page) =>
  h("div", { class: "empty" }, h("p", {}, t("simulatedNothing", { type: page.shape.called(page.given.type) })), page.me.actions.has("access:explain") && h("a", { class: "button", href: explaining(page, "") }, t("explain")));

const explaining = ({ given }, name, id = "") => `#/explain?${new URLSearchParams(Object.entries({ as: "role", who: given.role, type: given.type, field: name, id }).filter(([, value]) => value))}`;

/** A cell as the role sees it: its state, and what stands there. */
function cell(page, found, row, one) {
  if (row === undefined || !found.visible?.has(one.name)) return ["HIDDEN", t("hidden")];
  const value = page.shape.read(row, one);
  if (row.maskedFields?.includes(one.name)) return value === null ? ["HIDDEN", t("hidden")] : ["MASKED", page.shape.text(one, value)];
  return ["READ", page.shape.text(one, value)];
}

async function list(page) {
  const { given, shape } = page;
  const searches = given.search && shape.root(given.type)?.searches;
  const wanted = { first: SHOWN, where: given.search && !searches ? { name: { contains: given.search } } : null, search: searches ? given.search : null, all: given.all !== "" };
  const found = await compared(page, wanted);
  if (found === null) return nothing(page);
  const { fields, total, whole } = found;
  if (!whole.totalCount) return h("p", { class: "empty" }, t("noRecords"));
  const hidden = fields.filter((one) => !found.visible.has(one.name));
  const columns = fields.filter((one) => found.visible.has(one.name));
  const body = h("tbody", {}, rows(page, found, columns));
  let { pageInfo } = found;
  const more = h("button", { type: "button", hidden: !pageInfo.hasNextPage, onclick: follow }, t("more"));
  async function follow() {
    const next = await compared(page, { ...wanted, after: pageInfo.endCursor });
    const added = rows(page, next, columns);
    body.append(...added);
    pageInfo = next.pageInfo;
    more.hidden = !pageInfo.hasNextPage;
    added[0]?.querySelector("a").focus();
  }
  const counted = (one) => number(one.totalCount) + (one.totalCountCapped ? "+" : "");
  return [
    h("p", { class: "bar" }, h("strong", {}, t("seenOf", { role: page.as.map(page.called).join(" + "), n: counted(total), all: counted(whole) })), " ", h("a", { class: "button", href: link({ ...given, all: wanted.all ? "" : "yes" }) }, t(wanted.all ? "onlySeen" : "allYouSee"))),
    hidden.length > 0 && h("p", { class: "quiet" }, t("neverSeen"), " ", hidden.map((one) => label(one.label)).join(", ")),
    found.own.length > 0 &&
      h(
        "div",
        { class: "scroll seen", tabindex: "0", role: "region", "aria-label": shape.called(given.type) },
        h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t("recordYouSee")), wanted.all && h("th", { scope: "col" }, t("seenAsRole")), columns.map((one) => h("th", { scope: "col", title: one.name }, label(one.label))))), body),
      ),
    found.own.length > 0 && h("p", { class: "quiet" }, t("rowLink")),
    more,
  ];
}

/** One row for each record that one sees, with what the role sees of it. */
const rows = (page, found, columns) =>
  found.own.map((node) => {
    const row = found.seen.get(node.id);
    const cells = columns.map((one) => {
      const [state, text] = cell(page, found, row, one);
      return h("td", { "data-state": row ? state : null, title: state === "MASKED" ? t("MASKED") : text }, row ? text : "");
    });
    const name = page.shape.title(found.type, node);
    return h("tr", { class: row ? null : "off" }, h("th", { scope: "row" }, h("a", { href: link({ ...page.given, search: "", id: node.id }), title: name }, name)), page.given.all && h("td", {}, row ? t("yes") : t("no")), cells);
  });

async function record(page) {
  const { given, shape, me } = page;
  const found = await compared(page, { first: 1, where: { id: { eq: given.id } }, all: true });
  if (found === null) return nothing(page);
  const [node] = found.own;
  if (node === undefined) return h("p", { class: "empty" }, t("notFound"));
  const row = found.seen.get(node.id);
  const explains = me.actions.has("access:explain");
  return [
    h("h2", {}, shape.title(found.type, node), " ", h("code", {}, node.id)),
    !row && h("p", { class: "verdict", "data-state": "HIDDEN" }, t("rowUnseen"), " ", explains && h("a", { class: "button", href: explaining(page, "", node.id) }, t("why"))),
    row &&
      h(
        "div",
        { class: "scroll", tabindex: "0", role: "region", "aria-label": shape.title(found.type, node) },
        h(
          "table",
          {},
          h("thead", {}, h("tr", {}, ["field", "dataClass", "youSee", "roleSees"].map((one) => h("th", { scope: "col" }, t(one))), explains && h("th", { scope: "col" }, t("why")))),
          h(
            "tbody",
            {},
            found.fields.map((one) => {
              const [state, text] = cell(page, found, row, one);
              const name = label(one.label);
              return h(
                "tr",
                {},
                h("th", { scope: "row" }, name, " ", h("code", {}, one.name)),
                h("td", {}, one.dataClass ? t(one.dataClass) : ""),
                h("td", { class: "words" }, shape.text(one, shape.read(node, one))),
                h("td", { class: "words", "data-state": state }, text),
                explains && h("td", {}, h("a", { href: explaining(page, one.kind === "RECORD" ? "" : one.name, node.id), "aria-label": `${t("why")}: ${name}` }, t("why"))),
              );
            }),
          ),
        ),
      ),
    h("p", {}, h("a", { href: link({ ...given, id: "" }) }, t("backToList"))),
  ];
}

/** What was written last, so that it is there for the next role. */
const written = { query: "{\n  viewer { roles { key } access { types { type everyRow } } }\n}", variables: "" };

function query(page) {
  const said = h("div", { "aria-live": "polite" });
  const area = (name, rows, required) => field(t(name), (with_) => h("textarea", { ...with_, rows, required, spellcheck: "false", value: written[name], oninput: (event) => (written[name] = event.target.value) }));
  async function run() {
    let variables;
    try {
      variables = written.variables.trim() ? JSON.parse(written.variables) : {};
    } catch (error) {
      fill(said, refusals([{ message: t("badJson", { message: error.message }), at: t("variables") }]));
      return;
    }
    fill(said, loading());
    const told = await answer(written.query, variables, page.as);
    fill(said, told.errors && refusals(told.errors.map((one) => ({ message: one.message, at: one.extensions?.code }))), told.data && h("pre", { class: "answer", tabindex: "0", "aria-label": t("answer") }, JSON.stringify(told.data, null, 2)));
  }
  return [h("form", { class: "sheet", onsubmit: sending(run) }, area("query", "8", true), area("variables", "2", false), h("p", {}, h("button", { class: "first" }, t("runAs", { role: page.as.map(page.called).join(" + ") })))), said];
}
