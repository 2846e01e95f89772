// Roles as drafts: what a cell of the matrix says, and how two states of a role differ. No page in here.

export const CLASSES = ["BASIC", "CONTACT", "IDENTITY", "BILLING", "BANK", "AMOUNT", "COST", "KYC", "CONTENT", "METRIC", "INTERNAL"];
/** Those that a grant can give: INTERNAL is never given. */
export const COLUMNS = CLASSES.filter((one) => one !== "INTERNAL");
export const LEVELS = ["HIDDEN", "MASKED", "LOOKUP", "READ"];
export const RULES = ["ALL", "TEAM_AND_BELOW", "TEAM", "OWN", "WHERE"];

/** A role as it is edited: the rights of it alone. Each grant is told by what it was when it was read. */
export function draftOf(role) {
  const seen = new Map();
  return {
    key: role.key,
    version: role.version,
    inherits: [...role.inherits],
    actions: [...role.actions],
    grants: role.grants.map((grant) => {
      const made = grantDraft(grant);
      const place = seen.get(made.id) ?? 0;
      seen.set(made.id, place + 1);
      return { ...made, id: JSON.stringify([...JSON.parse(made.id), place]) };
    }),
  };
}

function grantDraft(grant) {
  const where = (grant.where ?? null) === null ? "" : JSON.stringify(grant.where, null, 1);
  return {
    id: JSON.stringify([grant.type, grant.rowRule, canonical(where)]),
    type: grant.type,
    rowRule: grant.rowRule,
    where,
    levels: Object.fromEntries(grant.levels.map((one) => [one.dataClass, one.level])),
    fields: Object.fromEntries(grant.fields.map((one) => [one.field, one.level])),
    personalLevel: grant.personalLevel,
    classes: [...(grant.writes?.classes ?? [])],
    written: [...(grant.writes?.fields ?? [])],
    except: [...(grant.writes?.except ?? [])],
  };
}

let added = 0;

/** A grant that gives nothing yet. */
export function newGrant(type, rowRule, id = JSON.stringify([type, rowRule, "", `new ${(added += 1)}`])) {
  return { id, type, rowRule, where: rowRule === "WHERE" ? "{}" : "", levels: {}, fields: {}, personalLevel: "READ", classes: [], written: [], except: [] };
}

/** The grants of a draft as the API takes them. Raises SyntaxError, with `index`, for a condition that is no JSON. */
export function grantInputs(draft) {
  return draft.grants.map((grant, index) => ({
    type: grant.type,
    rowRule: grant.rowRule,
    where: grant.rowRule === "WHERE" ? parsed(grant.where, index) : null,
    levels: shown(grant.levels).map(([dataClass, level]) => ({ dataClass, level })),
    fields: Object.entries(grant.fields).map(([field, level]) => ({ field, level })),
    personalLevel: grant.personalLevel,
    writes: { classes: grant.classes, fields: grant.written, except: grant.except },
  }));
}

function parsed(text, index) {
  try {
    return JSON.parse(text);
  } catch (error) {
    error.index = index;
    throw error;
  }
}

const shown = (levels) => CLASSES.filter((one) => (levels[one] ?? "HIDDEN") !== "HIDDEN").map((one) => [one, levels[one]]);

/** What a cell says: a level, WRITE for one that is read and written, or a level with +WRITE where it is not read. */
export function cell(grant, dataClass) {
  const level = grant.levels[dataClass] ?? "HIDDEN";
  if (!grant.classes.includes(dataClass)) return level;
  return level === "READ" ? "WRITE" : `${level}+WRITE`;
}

export function setCell(grant, dataClass, state) {
  const [level, more] = state.split("+");
  const write = level === "WRITE" || more !== undefined;
  grant.levels[dataClass] = level === "WRITE" ? "READ" : level;
  if (grant.levels[dataClass] === "HIDDEN") delete grant.levels[dataClass];
  grant.classes = grant.classes.filter((one) => one !== dataClass);
  if (write) grant.classes = CLASSES.filter((one) => one === dataClass || grant.classes.includes(one));
}

/** How many single fields of a class a grant treats in a way of their own; of all fields where they are not known. */
export function exceptions(grant, dataClass, fields) {
  const named = new Set([...Object.keys(grant.fields), ...grant.written, ...grant.except]);
  return [...named].filter((name) => fields?.get(name)?.dataClass === dataClass).length;
}

/** How many single fields of a class a grant names and shows. */
export const seen = (grant, dataClass, fields) => Object.entries(grant.fields).filter(([name, level]) => level !== "HIDDEN" && fields.get(name)?.dataClass === dataClass).length;

/** What a grant shows of a field. */
export function fieldLevel(grant, field) {
  if (field.name in grant.fields) return grant.fields[field.name];
  const level = grant.levels[field.dataClass] ?? "HIDDEN";
  if (!field.personal) return level;
  return LEVELS[Math.min(LEVELS.indexOf(level), LEVELS.indexOf(grant.personalLevel))];
}

/** Whether a grant lets a field be written, where it shows it. */
export function fieldWritten(grant, field) {
  if (grant.except.includes(field.name)) return false;
  return grant.written.includes(field.name) || grant.classes.includes(field.dataClass);
}

/** Let a field be written or not; what follows from its class is not said again. */
export function setFieldWritten(grant, field, write) {
  grant.except = grant.except.filter((one) => one !== field.name);
  grant.written = grant.written.filter((one) => one !== field.name);
  const follows = grant.classes.includes(field.dataClass);
  if (write && !follows) grant.written.push(field.name);
  if (!write && follows) grant.except.push(field.name);
}

/** The parts of a draft by path: [grant, part, name], where a grant is told by the type, row rule and condition it had. */
export function parts(draft) {
  const found = new Map();
  const put = (path, value) => found.set(JSON.stringify(path), value);
  for (const key of draft.inherits) put([null, "inherits", key], true);
  for (const key of draft.actions) put([null, "action", key], true);
  for (const grant of draft.grants) {
    const id = JSON.parse(grant.id);
    put([id, "grant", ""], true);
    put([id, "rowRule", ""], grant.rowRule);
    if (grant.rowRule === "WHERE") put([id, "where", ""], canonical(grant.where));
    if (grant.personalLevel !== "READ") put([id, "personal", ""], grant.personalLevel);
    for (const [dataClass, level] of shown(grant.levels)) put([id, "level", dataClass], level);
    for (const [field, level] of Object.entries(grant.fields)) put([id, "field", field], level);
    for (const part of ["classes", "written", "except"]) for (const one of grant[part]) put([id, part, one], true);
  }
  return found;
}

/** A condition as one text, however it was written. */
export function canonical(text) {
  try {
    return JSON.stringify(sorted(JSON.parse(text)));
  } catch {
    return text;
  }
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}

/** The draft that has these parts. */
export function assembled(draft, found) {
  const made = { ...draft, inherits: [], actions: [], grants: [] };
  const grants = new Map();
  for (const [path, value] of found) {
    const [id, part, name] = JSON.parse(path);
    if (part === "inherits") made.inherits.push(name);
    else if (part === "action") made.actions.push(name);
    else if (part === "grant") {
      const grant = newGrant(id[0], id[1], JSON.stringify(id));
      grants.set(grant.id, grant);
      made.grants.push(grant);
    }
  }
  for (const [path, value] of found) {
    const [id, part, name] = JSON.parse(path);
    const grant = grants.get(JSON.stringify(id));
    if (grant === undefined) continue;
    if (part === "rowRule") grant.rowRule = value;
    else if (part === "where") grant.where = indented(value);
    else if (part === "personal") grant.personalLevel = value;
    else if (part === "level") grant.levels[name] = value;
    else if (part === "field") grant.fields[name] = value;
    else if (part !== "grant") grant[part].push(name);
  }
  made.grants.sort((a, b) => a.type.localeCompare(b.type));
  return made;
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1);
  } catch {
    return text;
  }
}

/** What differs between two drafts: { path, before, after } of each part, undefined for what is not there. */
export function differences(before, after) {
  const [was, is] = [parts(before), parts(after)];
  const paths = new Set([...was.keys(), ...is.keys()]);
  return [...paths].filter((path) => was.get(path) !== is.get(path)).map((path) => ({ path, before: was.get(path), after: is.get(path) }));
}

/** One draft's differences from `base`, made to another. A grant that the other took away comes back if it was edited. */
export function merged(base, mine, theirs) {
  const [found, whole] = [parts(theirs), parts(mine)];
  const kept = new Set(found.keys());
  const changes = differences(base, mine);
  for (const [path, value] of whole) {
    const [grant] = JSON.parse(path);
    if (grant && !kept.has(JSON.stringify([grant, "grant", ""])) && changes.some((one) => JSON.stringify(JSON.parse(one.path)[0]) === JSON.stringify(grant))) found.set(path, value);
  }
  for (const { path, after } of changes) {
    if (after === undefined) found.delete(path);
    else found.set(path, after);
  }
  return assembled(theirs, found);
}

/** A draft whose grants have the ids of those of `base` that they were made from, as type and row rule tell. */
export function traced(base, draft) {
  const gone = base.grants.filter((one) => !draft.grants.some(({ id }) => id === one.id));
  const grants = draft.grants.map((grant) => {
    const from = base.grants.some(({ id }) => id === grant.id) ? -1 : gone.findIndex((one) => one.type === grant.type && one.rowRule === grant.rowRule);
    return from === -1 ? grant : { ...grant, id: gone.splice(from, 1)[0].id };
  });
  return { ...draft, grants };
}

/** Differences as people read them: those of a cell in one, and nothing of what goes with a whole grant. */
export function summarised(changes) {
  const whole = new Map(changes.map(({ path, after }) => [...JSON.parse(path), after]).filter(([, part]) => part === "grant").map(([id, , , after]) => [JSON.stringify(id), after]));
  const found = new Map();
  for (const { path, before, after } of changes) {
    const [grant, part, name] = JSON.parse(path);
    const id = JSON.stringify(grant);
    if (part !== "grant" && whole.has(id) && (whole.get(id) === undefined || part === "rowRule")) continue;
    const kind = { classes: "level", except: "field", written: "field" }[part] ?? part;
    const key = JSON.stringify([grant, kind, name]);
    const one = found.get(key) ?? { grant, kind, name, fresh: whole.has(id), before: {}, after: {} };
    one.before[part] = before;
    one.after[part] = after;
    found.set(key, one);
  }
  return [...found.values()];
}

/** The roles that a role has the grants of: itself, then those that it inherits, directly or not. */
export function chain(key, roles) {
  const found = [];
  const queue = [key];
  while (queue.length) {
    const one = roles.get(queue.shift());
    if (one === undefined || found.includes(one)) continue;
    found.push(one);
    queue.push(...one.inherits);
  }
  return found;
}
