// A condition of a grant, written by choosing: a field, how it is compared, and with what.

import { fill, h, select } from "./dom.js";
import { label, t } from "./texts.js";

const ORDERED = ["eq", "ne", "lte", "gte"];
/** How fields of a kind are compared; those of other kinds are written as JSON. */
const COMPARED = { TEXT: ["eq", "ne", "in"], ENUM: ["eq", "ne", "in"], BOOLEAN: ["eq"], INT: ORDERED, BIG_INT: ORDERED, DECIMAL: ORDERED, MONEY: ORDERED, DATE: ORDERED };
const INPUTS = { INT: "number", DATE: "date" };

/** Controls that add a condition to JSON: `text` gives what is there, `put` takes what it becomes. */
export function conditionMaker(words, type, text, put) {
  const fields = [...words.fields(type).values()].filter((one) => one.kind in COMPARED && (!one.name.includes(".") || one.name.startsWith("custom.")));
  const of = select(fields.map((one) => [one.name, words.field(type, one.name)]), fields[0].name, { "aria-label": t("conditionField"), onchange: () => draw() });
  const how = h("select", { "aria-label": t("conditionHow"), onchange: () => drawValue() });
  const place = h("span", {});
  const said = h("span", { class: "error", role: "status" });
  let value;
  const field = () => fields.find((one) => one.name === of.value);
  function draw() {
    fill(how, COMPARED[field().kind].map((one) => h("option", { value: one }, t(`op_${one}`))));
    drawValue();
  }
  function drawValue() {
    const { kind, options } = field();
    const enter = (event) => event.key === "Enter" && (event.preventDefault(), add());
    const named = { "aria-label": t("value") };
    if (options) value = select(options.map((one) => [one.value, label(one.label)]), options[0].value, how.value === "in" ? { ...named, multiple: true } : named);
    else if (kind === "BOOLEAN") value = select([["true", t("yes")], ["false", t("no")]], "true", named);
    else value = h("input", { ...named, type: INPUTS[kind] ?? "text", autocomplete: "off", onkeydown: enter });
    fill(place, value);
  }
  function add() {
    fill(said);
    if (value.value.trim() === "") return value.focus();
    try {
      const given = value.multiple ? [...value.selectedOptions].map((one) => one.value).join(",") : value.value;
      put(JSON.stringify(joined(JSON.parse(text().trim() || "{}"), field(), how.value, given), null, 1));
      if (value.tagName === "INPUT") value.value = "";
    } catch (error) {
      fill(said, t("badJson", { message: error.message }));
    }
    return value.focus();
  }
  draw();
  return h("div", { class: "condition" }, of, how, place, h("button", { type: "button", onclick: add }, t("addCondition")), h("small", {}, t("conditionHint")), said);
}

/** A condition and one more: of a field that is named already, both hold. */
function joined(where, field, how, text) {
  const path = field.name.split(".");
  const one = path.reduceRight((inner, name) => ({ [name]: inner }), { [how]: read(field.kind, how, text) });
  const [name] = path;
  if (!(name in where)) return { ...where, ...one };
  return { and: [...(Object.keys(where).length === 1 && where.and ? where.and : [where]), one] };
}

function read(kind, how, text) {
  if (how === "in") return text.split(/[,，、]/).map((one) => one.trim()).filter(Boolean);
  if (kind === "BOOLEAN") return text === "true";
  if (kind === "INT") return Number(text);
  return text.trim();
}
