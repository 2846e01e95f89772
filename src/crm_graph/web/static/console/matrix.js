// The matrix: grants by data class, as a table that is read and, where there is a draft, edited by cell.

import { conditionMaker } from "./conditions.js";
import { fill, gridKeys, h, select } from "./dom.js";
import { CLASSES, COLUMNS, RULES, LEVELS, cell, exceptions, fieldLevel, fieldWritten, seen, setCell, setFieldWritten } from "./rights.js";
import { t } from "./texts.js";

/** A table of `lines`, each { head: [cells that name it], grant, was, edit, more }. `names` head the naming columns. */
export function matrix(caption, names, lines, words, { onchange, details } = {}) {
  const body = h("tbody", {}, lines.flatMap((line) => rows(line, words, { onchange, details })));
  const table = h(
    "table",
    { class: "matrix", role: "grid" },
    h("caption", { class: "unseen" }, caption),
    h(
      "thead",
      {},
      h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)), COLUMNS.map((one) => h("th", { scope: "col", class: "class", title: one }, t(one))), details && h("th", { scope: "col" }, h("span", { class: "unseen" }, t("details")))),
    ),
    body,
  );
  gridKeys(table);
  return h("div", { class: "scroll", tabindex: "-1" }, table);
}

function rows(line, words, { onchange, details }) {
  const { head, grant, was, edit, inherited } = line;
  const fields = words.fields(grant.type);
  const known = fields.size ? new Set([...fields.values()].map((one) => one.dataClass)) : new Set(COLUMNS);
  const minds = [];
  line.mind = () => minds.forEach((mind) => mind());
  const cells = COLUMNS.map((dataClass) => {
    const mark = h("sup", {});
    const state = cell(grant, dataClass);
    const idle = !known.has(dataClass) && state === "HIDDEN";
    const td = h("td", { "data-state": state, class: idle ? "idle" : null });
    const mind = () => {
      const differs = exceptions(grant, dataClass, fields);
      const said = t("fieldExceptions", { n: differs });
      mark.title = said;
      fill(mark, differs > 0 && [`+${differs}`, h("span", { class: "unseen" }, ` ${said}`)]);
      td.dataset.state = cell(grant, dataClass);
      const alone = td.dataset.state === "HIDDEN" ? seen(grant, dataClass, fields) : 0;
      td.classList.toggle("some", alone > 0);
      if (!edit && alone > 0) fill(td, t("someFields", { n: alone }));
      td.classList.toggle("changed", Boolean(edit) && cell(grant, dataClass) !== (was ? cell(was, dataClass) : "HIDDEN"));
    };
    if (edit && !idle) {
      const options = [...LEVELS, "WRITE"].includes(state) ? [...LEVELS, "WRITE"] : [...LEVELS, "WRITE", state];
      const pick = select(options.map((one) => [one, t(one)]), state, {
        "data-cell": true,
        tabindex: "-1",
        "aria-label": `${words.grant(grant.type, grant.rowRule)}: ${t(dataClass)}`,
        onchange: () => {
          setCell(grant, dataClass, pick.value);
          mind();
          onchange();
        },
      });
      td.append(pick);
      td.dataset.of = `levels:${dataClass}`;
    } else {
      td.dataset.cell = "";
      td.tabIndex = -1;
      td.append(idle ? "" : t(state));
    }
    td.append(mark);
    mind();
    minds.push(mind);
    return td;
  });
  const row = h("tr", { class: inherited ? "inherited" : null }, head, cells);
  line.row = row;
  if (!details) return [row];
  const below = h("tr", { class: "detail", hidden: true });
  const open = h(
    "button",
    {
      type: "button",
      class: "plain",
      "data-cell": true,
      tabindex: "-1",
      "aria-expanded": "false",
      "aria-label": t("detailsOf", { name: words.grant(grant.type, grant.rowRule) }),
      onclick: () => {
        below.hidden = !below.hidden;
        open.setAttribute("aria-expanded", String(!below.hidden));
        if (!below.hidden && !below.cells.length) below.append(h("td", { colspan: String(head.length + COLUMNS.length + 1) }, details(line)));
      },
    },
    t("details"),
  );
  line.open = () => below.hidden && open.click();
  line.below = below;
  row.append(h("td", { class: "acts" }, open));
  return [row, below];
}

/** All of one grant: its rows, its condition, and its fields one by one. */
export function grantDetails(line, words, { onchange: told, onmove, onremove }) {
  const { grant, edit } = line;
  const onchange = () => (line.mind(), told());
  const list = COLUMNS.flatMap((one) => [...words.fields(grant.type).values()].filter((field) => field.dataClass === one));
  const rule = edit
    ? h("label", {}, t("rows"), " ", select(RULES.map((one) => [one, t(one)]), grant.rowRule, { onchange: (event) => ((grant.rowRule = event.target.value), (grant.where ||= "{}"), onmove()) }))
    : null;
  const personal = edit
    ? h("label", {}, t("personalLevel"), " ", select(LEVELS.slice(1).map((one) => [one, t(one)]), grant.personalLevel, { "data-of": "personalLevel", onchange: (event) => ((grant.personalLevel = event.target.value), onchange()) }))
    : grant.personalLevel !== "READ" && h("p", {}, `${t("personalLevel")}: ${t(grant.personalLevel)}`);
  const area = h("textarea", { rows: "5", spellcheck: "false", "data-of": "where", value: grant.where, oninput: (event) => ((grant.where = event.target.value), onchange()) });
  const where =
    grant.rowRule === "WHERE" &&
    (edit
      ? [h("label", { class: "where" }, t("where"), area, h("small", {}, t("whereHint"))), conditionMaker(words, grant.type, () => grant.where, (text) => ((grant.where = area.value = text), onchange()))]
      : h("p", { class: "words" }, words.condition(grant.type, grant.where)));
  return h(
    "div",
    { class: "details" },
    h("div", { class: "about" }, rule, personal, edit && h("button", { type: "button", onclick: onremove }, t("removeGrant"))),
    where,
    h(
      "table",
      { class: "fields" },
      h("thead", {}, h("tr", {}, ["field", "dataClass", "level", "canEdit"].map((one) => h("th", { scope: "col" }, t(one))))),
      h("tbody", {}, list.map((field) => fieldRow(grant, field, words, edit, onchange))),
    ),
  );
}

function fieldRow(grant, field, words, edit, onchange) {
  const name = words.field(grant.type, field.name);
  const level = () => fieldLevel(grant, field);
  const asClass = () => t("asClass", { level: t(fieldLevel({ ...grant, fields: {} }, field)) });
  const row = h("tr", {});
  const draw = () => row.classList.toggle("own", field.name in grant.fields || grant.written.includes(field.name) || grant.except.includes(field.name));
  const shown = edit
    ? select([["", asClass()], ...LEVELS.map((one) => [one, t(one === "HIDDEN" ? "hidden" : one)])], grant.fields[field.name] ?? "", {
        "aria-label": `${name}: ${t("level")}`,
        "data-of": `fields:${field.name}`,
        onchange: (event) => {
          if (event.target.value) grant.fields[field.name] = event.target.value;
          else delete grant.fields[field.name];
          draw();
          onchange();
        },
      })
    : t(level() === "HIDDEN" ? "hidden" : level());
  const written = edit
    ? field.writable && h("input", { type: "checkbox", "aria-label": `${name}: ${t("canEdit")}`, checked: fieldWritten(grant, field), onchange: (event) => (setFieldWritten(grant, field, event.target.checked), draw(), onchange()) })
    : field.writable && fieldWritten(grant, field) && level() === "READ" && t("yes");
  row.append(
    h("th", { scope: "row" }, name, " ", h("code", {}, field.name), field.personal && " ", field.personal && h("small", { class: "chip" }, t("personal"))),
    h("td", {}, t(field.dataClass)),
    h("td", {}, shown),
    h("td", {}, written || ""),
  );
  draw();
  return row;
}
