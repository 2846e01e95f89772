// What is called how: types, fields, grants and differences of roles, in the language of the page.

import { canonical } from "./rights.js";
import { label, t } from "./texts.js";

/** Names by what the API calls things. `roles` are roles by key, `types` what can be granted by type. */
export class Words {
  constructor(roles, types) {
    this.roles = new Map(roles.map((role) => [role.key, role]));
    this.conditions = new Map(roles.flatMap((role) => role.grants ?? []).filter((grant) => grant.whereInWords).map((grant) => [inType(grant.type, JSON.stringify(grant.where)), grant.whereInWords]));
    this.types = new Map(types.map((type) => [type.name, { ...type, fields: new Map(type.fields.map((one) => [one.name, one])) }]));
  }

  role = (key) => label(this.roles.get(key)?.label) || key;

  type = (name) => label(this.types.get(name)?.label) || name;

  fields = (type) => this.types.get(type)?.fields ?? new Map();

  field = (type, name) => label(this.fields(type).get(name)?.label) || name;

  /** A stored condition: in words, as the hub says it of a role that has it, or in few signs, of a draft. */
  condition = (type, where) => this.conditions.get(inType(type, where)) ?? gist(where);

  grant = (type, rowRule) => `${this.type(type)} · ${t(rowRule)}`;

  /** One difference of a role, as `summarised` has it: where, and what. */
  difference({ grant, kind, name, fresh, before, after }) {
    const becomes = (called, was, is) => (fresh ? t("partIs", { name: called, value: is }) : t("wasNow", { name: called, before: was, after: is }));
    const where = grant && this.grant(grant[0], grant[1]);
    const gone = Object.values(after).every((value) => value === undefined);
    switch (kind) {
      case "inherits":
        return ["", t(gone ? "inheritsGone" : "inheritsAdded", { name: this.role(name) })];
      case "action":
        return ["", t(gone ? "actionGone" : "actionAdded", { name })];
      case "grant":
        return [where, t(gone ? "grantGone" : "grantAdded")];
      case "rowRule":
        return [where, t("wasNow", { name: t("rows"), before: t(before.rowRule), after: t(after.rowRule) })];
      case "where":
        // Both in few signs, side by side: the hub has words for one of them at most.
        return [where, becomes(t("WHERE"), before.where ? gist(before.where) : "–", after.where ? gist(after.where) : "–")];
      case "personal":
        return [where, t("personalAt", { before: t(before.personal ?? "READ"), after: t(after.personal ?? "READ") })];
      default: {
        const said = kind === "level" ? t(name) : this.field(grant[0], name);
        if ("level" in before && "classes" in before) return [where, becomes(said, state(before), state(after))];
        const facts = ["level", "field"].filter((part) => part in before).map((part) => [shown(part, before[part]), shown(part, after[part])]);
        if ("classes" in before) facts.push([written(before.classes), written(after.classes)]);
        if ("written" in before) facts.push([before.written ? t("editable") : t("asItsClass"), after.written ? t("editable") : t("asItsClass")]);
        if ("except" in before) facts.push([before.except ? t("notEditable") : t("asItsClass"), after.except ? t("notEditable") : t("asItsClass")]);
        return [where, facts.map(([was, is]) => becomes(said, was, is)).join("; ")];
      }
    }
  }
}

const inType = (type, where) => `${type} ${canonical(where)}`;

const shown = (part, level) => (level === undefined && part === "field" ? t("asItsClass") : t(level === undefined || level === "HIDDEN" ? "hidden" : level));
const state = ({ level = "HIDDEN", classes }) => (classes ? t(level === "READ" ? "WRITE" : `${level}+WRITE`) : shown("level", level));
const written = (value) => t(value ? "editable" : "notEditable");

const SIGNS = { eq: "=", ne: "≠", lt: "<", lte: "≤", gt: ">", gte: "≥", in: "∈", notIn: "∉" };

/** A condition in few signs: poolState = PUBLIC, owner = viewer or … */
function gist(where) {
  try {
    return read(JSON.parse(where));
  } catch {
    return where;
  }
}

function read(where, path = "") {
  const all = Object.entries(where).map(([key, value]) => {
    if (key === "and" || key === "or") return `(${value.map((one) => read(one, path)).join(key === "or" ? ` ${t("or")} ` : ", ")})`;
    if (key === "not") return `${t("not")} (${read(value, path)})`;
    if (key in SIGNS) return `${path} ${SIGNS[key]} ${operand(value)}`;
    if (key === "some") return read(value, path);
    const below = path && key !== "id" ? `${path}.${key}` : path || key;
    return value !== null && typeof value === "object" && !Array.isArray(value) ? read(value, below) : `${below} ${operand(value)}`;
  });
  return all.join(", ").replace(/^\((.*)\)$/, (whole, inner) => (inner.includes("(") || inner.includes(")") ? whole : inner));
}

const operand = (value) => (value?.$viewer ? t(`viewer_${value.$viewer}`) : Array.isArray(value) ? value.map(operand).join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value));
