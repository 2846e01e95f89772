// Records of any type, as the API tells what there is to ask of them: their fields, the query for them, and their values.

import { label, moment, t } from "./texts.js";

/** Types that somebody sees, by name, and the lists that they stand in. */
export class Shape {
  constructor({ entityMetadata, __type: { fields } }) {
    this.types = new Map();
    this.roots = new Map();
    for (const one of fields) {
      const name = one.type.ofType?.name;
      if (name?.endsWith("Connection")) this.roots.set(name.slice(0, -"Connection".length), { name: one.name, searches: one.args.some((given) => given.name === "search") });
    }
    for (const type of entityMetadata) if (this.roots.has(type.name)) this.types.set(type.name, type);
    this.named = new Set(entityMetadata.filter((type) => type.fields.some((one) => one.name === "name")).map((type) => type.name));
  }

  root = (type) => this.roots.get(type);

  called = (type) => label(this.types.get(type)?.label) || type;

  /** One page of a list; `seen` are the names of the fields that are seen of each type, null for all of one's own. */
  query(root, type, seen, { search }) {
    const shown = type.fields.filter((one) => one.name !== "id" && (seen === null || seen.get(type.name)?.has(one.name)));
    const custom = shown.filter((one) => one.custom).map((one) => one.name.split(".")[1]);
    const plain = shown.filter((one) => !one.custom).map((one) => this.#selected(one, seen));
    return `query List($first: Int, $after: String, $where: ${type.name}Where${search ? ", $search: String" : ""}) {
      page: ${root.name}(first: $first, after: $after, where: $where${search ? ", search: $search" : ""}) {
        nodes { id maskedFields ${plain.join(" ")} ${custom.length ? `custom { ${custom.join(" ")} }` : ""} } pageInfo { hasNextPage endCursor } totalCount totalCountCapped
      }
    }`;
  }

  /** How many records there are. */
  count = (root, type, { search }) =>
    `query Count($where: ${type.name}Where${search ? ", $search: String" : ""}) { page: ${root.name}(first: 0, where: $where${search ? ", search: $search" : ""}) { totalCount totalCountCapped } }`;

  #selected(one, seen) {
    if (one.kind === "MONEY") return `${one.name} { amount currency }`;
    if (one.kind !== "RECORD") return one.name;
    const named = this.named.has(one.target) && (seen === null || seen.get(one.target)?.has("name"));
    return `${one.name} { id ${named ? "name" : ""} }`;
  }

  /** What a record holds in a field; null for nothing. */
  read = (node, one) => (one.custom ? node.custom?.[one.name.split(".")[1]] : node[one.name]) ?? null;

  /** A value as people read it. */
  text(one, value) {
    if (value === null) return "";
    if (one.kind === "MONEY") return `${value.amount} ${value.currency ?? ""}`;
    if (one.kind === "RECORD") return value.name ?? value.id;
    if (one.kind === "DATE_TIME") return moment(value);
    if (one.kind === "BOOLEAN") return t(value ? "yes" : "no");
    if (one.kind === "ENUM") return label(one.options?.find((option) => option.value === value)?.label) || value;
    return Array.isArray(value) ? value.join(", ") : String(value);
  }

  /** What people know a record by. */
  title = (type, node) => node.name ?? node.title ?? node.subject ?? node.number ?? node.username ?? node.id;
}
