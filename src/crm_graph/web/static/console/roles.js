// Roles: their list, the matrix of one role or of one type, and drafts of roles, kept until they are saved or dropped.

import { ask, change } from "./api.js";
import { announce, dialog, field, fill, h, refocus, select, sending } from "./dom.js";
import { asking, reasonField } from "./forms.js";
import { grantDetails, matrix } from "./matrix.js";
import { WAITING, waiting } from "./proposals.js";
import { RULES, chain, differences, draftOf, newGrant, summarised } from "./rights.js";
import { ERRORS, ROLE, previewAndSave } from "./saving.js";
import { loading, refusals, told } from "./states.js";
import { number, label as ofPage, t } from "./texts.js";
import { Words } from "./words.js";

const LOAD = `query Roles {
  roles { ${ROLE} }
  ${WAITING}
  grantable { actions types { name label { zh en } fields { name label { zh en } kind options { value label { zh en } } dataClass personal writable } } }
}`;
const CREATE = `mutation Create($input: CreateRoleInput!, $reason: String) { createRole(input: $input, reason: $reason) { role { key } proposal { id } ${ERRORS} } }`;
const CLONE = `mutation Clone($key: String!, $as: String!, $label: LabelsInput!, $reason: String) {
  cloneRole(key: $key, as: $as, label: $label, reason: $reason) { role { key } proposal { id } ${ERRORS} }
}`;
const RESET = `mutation Reset($key: String!, $version: Int!, $reason: String) {
  resetRole(key: $key, expectedVersion: $version, reason: $reason) { role { key } proposal { id } ${ERRORS} }
}`;
const REMOVE = `mutation Remove($key: String!, $version: Int!, $reason: String) {
  removeRole(key: $key, expectedVersion: $version, reason: $reason) { key proposal { id } ${ERRORS} }
}`;

const FILTERED_FROM = 20;

/** Drafts by the key of their role: { base, mine }. */
const drafts = new Map();
addEventListener("beforeunload", (event) => {
  if ([...drafts.values()].some(({ base, mine }) => differences(base, mine).length)) event.preventDefault();
});

/** What Ctrl+S does, or ⌘S: preview the draft that is shown. */
let onSave = null;
addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s" || !document.querySelector(".roles .saving")) return;
  event.preventDefault();
  if (!document.querySelector("dialog[open]")) onSave();
});

export async function show(into, asked) {
  fill(into, loading());
  const { roles, grantable, rightsProposals } = await ask(LOAD);
  const page = { into, asked, me: asked.me, roles, grantable, words: new Words(roles, grantable.types), again: () => show(into, asked), canEdit: asked.me.actions.has("roles:manage") };
  const waits = await waiting(page, rightsProposals);
  if (!asked.current()) return;
  const type = asked.values.get("type");
  const role = page.words.roles.get(asked.below[0] ?? roles.find((one) => one.key === "sales")?.key ?? roles[0]?.key);
  const article = h("article", {});
  fill(into, list(page, type ? null : role, type), h("div", {}, waits, article));
  into.querySelector(".list [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  if (type) drawType(page, article, type);
  else if (role) drawRole(page, article, role);
  else fill(article, told(t("notFound")));
}

function list(page, role, type) {
  const link = (href, current, ...said) => h("li", {}, h("a", { href, "aria-current": current ? "page" : null }, said));
  return h(
    "nav",
    { class: "list", "aria-label": t("roles") },
    page.canEdit && h("button", { type: "button", onclick: () => create(page) }, t("newRole")),
    h("h2", {}, t("byRole")),
    page.roles.length > FILTERED_FROM && h("input", { type: "search", class: "filter", "aria-label": t("filterRoles"), placeholder: t("filterRoles"), oninput: (event) => filter(event.target) }),
    h(
      "ul",
      {},
      page.roles.map((one) =>
        link(`#/roles/${one.key}`, one === role, h("span", { title: one.key }, page.words.role(one.key)), drafts.has(one.key) ? h("small", { class: "chip" }, t("drafted")) : h("small", { title: t("holders", { n: one.holders }) }, number(one.holders))),
      ),
    ),
    h("h2", {}, t("byType")),
    h("ul", {}, [...page.words.types.keys()].map((one) => link(`#/roles?type=${one}`, one === type, h("span", {}, page.words.type(one))))),
  );
}

/** Show those of the next list that say what was typed. */
function filter(input) {
  const text = input.value.trim().toLowerCase();
  for (const item of input.nextElementSibling.children) item.hidden = !item.textContent.toLowerCase().includes(text) && !item.firstChild.getAttribute("href").includes(text);
}

function drawType(page, article, type) {
  const lines = page.roles.flatMap((role) =>
    draftOf(role)
      .grants.filter((grant) => grant.type === type)
      .map((grant) => ({
        grant,
        head: [h("th", { scope: "row" }, h("a", { href: `#/roles/${role.key}` }, page.words.role(role.key))), ruleCell(words, grant)],
      })),
  );
  const name = page.words.type(type);
  fill(
    article,
    h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, name), h("code", {}, type)),
    lines.length ? matrix(t("ofType", { name }), [t("role"), t("rows")], lines, page.words, { details: (line) => grantDetails(line, page.words, {}) }) : h("p", { class: "empty" }, t("noGrantsOn")),
    legend(t("keysHintRead")),
  );
}

function ruleCell(words, grant) {
  const condition = grant.rowRule === "WHERE" && words.condition(grant.type, grant.where);
  return h("td", { class: "rule" }, t(grant.rowRule), condition && h("small", { class: "under gist", title: condition }, condition));
}

function drawRole(page, article, role, { errors = [], focus } = {}) {
  const { words } = page;
  const kept = drafts.get(role.key);
  const shown = kept?.mine ?? draftOf(role);
  const name = words.role(role.key);
  const redraw = (more) => drawRole(page, article, role, more);
  const own = shown.grants.map((grant, index) => ({ grant, index, edit: Boolean(kept), was: kept && original(kept.base, grant), head: [h("th", { scope: "row" }, words.type(grant.type)), ruleCell(words, grant)] }));
  const inherited = chain(role.key, words.roles)
    .slice(1)
    .flatMap((from) => draftOf(from).grants.map((grant) => ({ grant, inherited: true, head: [h("th", { scope: "row" }, words.type(grant.type), h("small", { class: "under" }, t("inheritedBy", { name: words.role(from.key) }))), ruleCell(words, grant)] })));
  const places = [...words.types.keys()];
  const lines = [...own, ...inherited].sort((a, b) => places.indexOf(a.grant.type) - places.indexOf(b.grant.type));
  const foot = kept && footer(page, role, kept, redraw);
  const onchange = () => foot?.draw();
  const details = (line) =>
    grantDetails(line, words, {
      onchange,
      onmove: () => redraw({ focus: line.index }),
      onremove: () => {
        shown.grants.splice(line.index, 1);
        announce(t("removedGrant"));
        redraw();
      },
    });
  fill(
    article,
    heading(page, role, kept, redraw),
    errors.length > 0 && refusals(errors.map((error) => ({ ...error, at: error.path.join(".") }))),
    lines.length ? matrix(t("ofRole", { name }), [t("type"), t("rows")], lines, words, { onchange, details }) : h("p", { class: "empty" }, t("noGrants")),
    kept && adding(page, shown, redraw),
    legend(kept ? t("keysHint") : t("keysHintRead")),
    inheriting(page, role, shown, kept, redraw),
    acting(page, role, shown, kept, onchange),
    foot?.element,
  );
  mark(own, errors);
  if (errors.length) article.querySelector(".refused")?.focus();
  if (focus !== undefined) {
    own[focus]?.open();
    own[focus]?.below.querySelector("select")?.focus();
  }
}

/** The grant that one of a draft was made from. */
const original = (base, grant) => base.grants.find((one) => one.id === grant.id);

/** Show what the API refused at the cell or field that it is about. */
function mark(lines, errors) {
  for (const error of errors) {
    const [, index, part, ...rest] = error.path[0] === "grants" ? error.path : [];
    const line = index === undefined ? undefined : lines[Number(index)];
    if (!line) continue;
    const of = part === "levels" ? `levels:${error.sent?.levels?.[Number(rest[0])]?.dataClass}` : part === "fields" ? `fields:${error.sent?.fields?.[Number(rest[0])]?.field}` : part === "writes" && rest[0] === "classes" ? `levels:${error.sent?.writes?.classes?.[Number(rest[1])]}` : part;
    if (!of?.startsWith("levels:")) line.open();
    const found = [line.row, line.below].map((row) => row.querySelector(`[data-of="${CSS.escape(of ?? "")}"]`)).find(Boolean) ?? line.row.cells[0];
    const control = found.querySelector("select") ?? found;
    control.setAttribute("aria-invalid", "true");
    control.title = error.message;
    found.classList.add("wrong");
    found.closest("tr").classList.add("has-wrong");
    (found.closest("td, th, label") ?? found).append(h("span", { class: "error" }, error.message));
  }
}

function heading(page, role, kept, redraw) {
  const { words } = page;
  const start = () => {
    drafts.set(role.key, { base: draftOf(role), mine: draftOf(role) });
    redraw();
    page.into.querySelector(".matrix [data-cell], .adding select")?.focus();
  };
  const button = (text, onclick, first) => h("button", { type: "button", class: first ? "first" : null, onclick }, t(text));
  return h(
    "div",
    {},
    h(
      "header",
      { class: "bar" },
      h("h1", { tabindex: "-1" }, words.role(role.key)),
      h("code", {}, role.key),
      role.builtin && h("span", { class: "chip" }, t("builtin")),
      role.edited && h("span", { class: "chip" }, t("edited")),
      h("a", { href: `#/people?role=${role.key}` }, t("holders", { n: number(role.holders) })),
      h("a", { href: `#/changes?about=${role.key}` }, t("history")),
      page.me.actions.has("access:simulate") && h("a", { href: `#/simulate?role=${role.key}` }, t("viewAs")),
      h("span", { class: "gap" }),
      page.canEdit && !kept && [
        button("clone", () => create(page, role)),
        role.edited && button("reset", () => sure(page, role, "reset", RESET, "resetSure")),
        !role.builtin && button("remove", () => sure(page, role, "remove", REMOVE, "removeSure")),
        button("edit", start, true),
      ],
    ),
    role.description && h("p", { class: "quiet" }, ofPage(role.about)),
  );
}

function legend(hint) {
  const one = (state, text) => h("span", {}, h("b", { "data-state": state }, t(state)), ` ${t(text)}`);
  return h("p", { class: "legend" }, one("MASKED", "legendMasked"), one("LOOKUP", "legendLookup"), one("READ", "legendRead"), one("WRITE", "legendWrite"), h("span", {}, hint));
}

function adding(page, draft, redraw) {
  const type = select([...page.words.types.keys()].map((one) => [one, page.words.type(one)]), [...page.words.types.keys()][0], { "aria-label": t("type") });
  const rule = select(RULES.map((one) => [one, t(one)]), "ALL", { "aria-label": t("rows") });
  const add = () => {
    draft.grants.push(newGrant(type.value, rule.value));
    redraw({ focus: draft.grants.length - 1 });
  };
  return h("p", { class: "adding" }, type, rule, h("button", { type: "button", onclick: add }, t("addGrant")));
}

function inheriting(page, role, shown, kept, redraw) {
  const { words } = page;
  if (!kept && !shown.inherits.length) return null;
  const others = page.roles.filter((one) => one.key !== role.key && one.key !== "everyone");
  const toggle = (key, on) => {
    shown.inherits = others.map((one) => one.key).filter((one) => (one === key ? on : shown.inherits.includes(one)));
    redraw();
    document.getElementById(`inherits-${key}`)?.focus();
  };
  return h(
    "section",
    {},
    h("h2", {}, t("inherits")),
    kept
      ? h("div", { class: "ticks" }, others.map(({ key }) => h("label", {}, h("input", { id: `inherits-${key}`, type: "checkbox", checked: shown.inherits.includes(key), onchange: (event) => toggle(key, event.target.checked) }), " ", words.role(key))))
      : h("p", {}, shown.inherits.map((key) => h("a", { class: "chip", href: `#/roles/${key}` }, words.role(key)))),
  );
}

function acting(page, role, shown, kept, onchange) {
  const all = kept ? page.grantable.actions : shown.actions;
  const groups = grouped([...all].sort((a, b) => !noun(a) - !noun(b) || a.localeCompare(b)));
  const tick = (action) => h("label", {}, h("input", { type: "checkbox", checked: shown.actions.includes(action), onchange: (event) => ((shown.actions = page.grantable.actions.filter((one) => (one === action ? event.target.checked : shown.actions.includes(one)))), onchange()) }), " ", h("code", {}, verb(action)));
  const given = new Set(chain(role.key, page.words.roles).slice(1).flatMap((from) => from.actions));
  return h(
    "section",
    {},
    h("h2", {}, t("actions")),
    groups.size
      ? h("table", { class: "actions" }, h("tbody", {}, [...groups].map(([name, actions]) => h("tr", {}, h("th", { scope: "row" }, name ? h("code", {}, name) : t("otherActions")), h("td", { class: kept ? "ticks" : "codes" }, actions.map((one) => (kept ? tick(one) : h("code", {}, verb(one)))))))))
      : h("p", { class: "empty" }, t("noActions")),
    given.size > 0 && h("p", { class: "quiet codes" }, `${t("inherits")}: `, [...given].sort().map((one) => h("code", {}, one))),
  );
}

const noun = (action) => (action.includes(":") ? action.split(":")[0] : "");
const verb = (action) => action.split(":").at(-1);

function grouped(actions) {
  const found = new Map();
  for (const action of actions) found.set(noun(action), [...(found.get(noun(action)) ?? []), action]);
  return found;
}

function footer(page, role, kept, redraw) {
  const count = h("span", { role: "status" });
  const save = h("button", { type: "button", class: "first", onclick: go }, t("preview"));
  const discard = () => {
    drafts.delete(role.key);
    page.again();
  };
  const draw = () => {
    const n = summarised(differences(kept.base, kept.mine)).length;
    count.textContent = n ? t("changeCount", { n }) : t("noChanges");
    save.disabled = n === 0;
  };
  function go() {
    previewAndSave(page.words, role, kept, {
      saved: async (waits) => {
        drafts.delete(role.key);
        await page.again();
        refocus(["BUTTON", t("edit")]);
        announce(t(waits ? "proposed" : "saved"));
      },
      rebased: (theirs, mine) => (drafts.set(role.key, { base: draftOf(theirs), mine }), page.again()),
      dropped: discard,
      refused: (errors) => redraw({ errors }),
    });
  }
  draw();
  onSave = () => !save.disabled && go();
  return { draw, element: h("footer", { class: "saving" }, count, h("span", { class: "gap" }), h("button", { type: "button", onclick: discard }, t("discard")), save) };
}

const sure = (page, role, verb_, mutation, question) =>
  asking(t(question, { name: page.words.role(role.key) }), verb_, {
    danger: true,
    send: (reason) => change(mutation, { key: role.key, version: role.version, reason }),
    again: ({ proposal }) => (verb_ === "remove" && !proposal ? (location.hash = "#/roles") : page.again()),
    said: () => t("done"),
  });

function create(page, from) {
  const { body, close } = dialog(t("newRole"));
  const given = { key: "", en: "", zh: "", from: from?.key ?? "", reason: "" };
  const draw = (errors = []) => {
    const wrong = (...names) => errors.filter((error) => names.includes(error.path.at(-1))).map((error) => error.message).join(" ");
    const input = (name, label, hint, error) => field(t(label), (with_) => h("input", { ...with_, type: "text", required: true, autocomplete: "off", value: given[name], oninput: (event) => (given[name] = event.target.value) }), { hint: hint && t(hint), error });
    const rest = errors.filter((error) => !["key", "as", "en", "zh"].includes(error.path.at(-1)));
    fill(
      body,
      h(
        "form",
        { onsubmit: sending(send) },
        rest.length > 0 && refusals(rest),
        input("key", "key", "keyHint", wrong("key", "as")),
        input("en", "nameEn", null, wrong("en")),
        input("zh", "nameZh", null, wrong("zh")),
        field(t("startFrom"), (with_) => select([["", t("nothing")], ...page.roles.filter((one) => one.key !== "everyone").map((one) => [one.key, page.words.role(one.key)])], given.from, { ...with_, onchange: (event) => (given.from = event.target.value) })),
        reasonField(given.reason, (value) => (given.reason = value)),
        h("div", { class: "ends" }, h("button", { type: "button", onclick: close }, t("cancel")), h("button", { class: "first" }, t("create"))),
      ),
    );
    (body.querySelector("[aria-invalid]") ?? body.querySelector("input")).focus();
  };
  async function send() {
    const label = { zh: given.zh, en: given.en };
    const told_ = given.from ? await change(CLONE, { key: given.from, as: given.key, label, reason: given.reason }) : await change(CREATE, { input: { key: given.key, label }, reason: given.reason });
    if (told_.errors.length) return draw(told_.errors);
    close();
    if (told_.proposal) await page.again();
    else location.hash = `#/roles/${given.key}`;
    announce(t(told_.proposal ? "proposed" : "created", { name: ofPage(label) || given.key }));
    return undefined;
  }
  draw();
}
