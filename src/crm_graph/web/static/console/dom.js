// Elements, made by name. Text is always text: nothing here reads HTML.

const PROPERTIES = new Set(["value", "checked", "selected", "disabled", "hidden", "open", "indeterminate", "readOnly"]);

/** An element with attributes, listeners (`onclick: f`) and children; null and false children are left out. */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) continue;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, value);
  }
  fill(element, ...children);
  // After the children: a select has no value before its options are there.
  for (const [name, value] of Object.entries(given)) {
    if (PROPERTIES.has(name) && value !== undefined && value !== null) element[name] = value;
  }
  return element;
}

/** Put these children in the place of those that are there. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SAID_MS = 6_000;
let silence;

/** Tell what has happened, for a while, also to who does not see the page. */
export function announce(text) {
  const live = document.getElementById("live");
  clearTimeout(silence);
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = text));
  silence = setTimeout(() => (live.textContent = ""), SAID_MS);
}

/** What has the focus, so that it can be found again when everything is drawn anew. */
export function focused() {
  const at = document.activeElement;
  return at && at !== document.body ? [at.tagName, at.getAttribute("aria-label") ?? at.textContent] : null;
}

/** Give the focus back to what had it; where that is gone, to the content, so that Tab goes on from there. */
export function refocus(mark = null) {
  if (document.activeElement !== document.body) return;
  const main = document.getElementById("main");
  const found = mark && [...main.querySelectorAll(mark[0])].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === mark[1]);
  (found ?? main.querySelector("h1[tabindex]") ?? main).focus({ preventScroll: !found });
}

let count = 0;

/** A labelled field: `made` gets the id that its label is for, and those of what is said of it. */
export function field(label, made, { hint, error, wide } = {}) {
  const id = `f${(count += 1)}`;
  const said = [hint && `${id}h`, error && `${id}e`].filter(Boolean).join(" ") || null;
  return h(
    "div",
    { class: wide ? "field wide" : "field" },
    h("label", { for: id }, label),
    made({ id, "aria-describedby": said, "aria-invalid": error ? "true" : null }),
    hint && h("small", { id: `${id}h` }, hint),
    error && h("p", { id: `${id}e`, class: "error" }, error),
  );
}

/** A select with options [value, text]. */
export function select(options, value, attributes = {}) {
  return h("select", { ...attributes, value }, options.map(([v, text]) => h("option", { value: v }, text)));
}

/** A select that does something with what is chosen. Keys open it: closed, the first of them would have chosen. */
export function chooser(options, attributes, choose) {
  const onkeydown = (event) => {
    if (!element.showPicker || event.ctrlKey || event.metaKey || !(event.key.startsWith("Arrow") || /^\S$/.test(event.key))) return;
    event.preventDefault();
    element.showPicker();
  };
  const element = select(options, "", { ...attributes, onkeydown, onchange: () => choose(element.value) });
  return element;
}

/** A modal dialog with a heading; Escape and `close` end it, and focus goes back to where it was. */
export function dialog(title, { wide } = {}) {
  const before = document.activeElement;
  const id = `d${(count += 1)}`;
  const body = h("div", { class: "body" });
  const element = h("dialog", { "aria-labelledby": id, class: wide ? "wide" : null }, h("h2", { id }, title), body);
  const close = () => element.close();
  element.addEventListener("close", () => {
    element.remove();
    if (before?.isConnected) before.focus();
  });
  document.body.append(element);
  element.showModal();
  return { element, body, close };
}

/** A form's listener that sends once, however often it is pressed. */
export const sending = (send) => async (event) => {
  event.preventDefault();
  const button = event.submitter;
  if (button) button.disabled = true;
  try {
    await send();
  } finally {
    if (button) button.disabled = false;
  }
};

/** Arrow keys, Home and End move the focus between the cells of a grid, of which one is in the order of Tab. */
export function gridKeys(table) {
  const rows = () => [...table.rows].filter((row) => !row.hidden).map((row) => [...row.cells].filter((cell) => target(cell)));
  const target = (cell) => cell.querySelector("[data-cell]") ?? (cell.matches("[data-cell]") ? cell : null);
  const all = () => [...table.querySelectorAll("[data-cell]")];
  const take = (element) => {
    for (const one of all()) one.tabIndex = one === element ? 0 : -1;
  };
  table.addEventListener("focusin", (event) => {
    const element = event.target.closest("[data-cell]");
    if (element) take(element);
  });
  table.addEventListener("keydown", (event) => {
    const at = event.target.closest("[data-cell]");
    if (!at || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const grid = rows().filter((row) => row.length);
    const y = grid.findIndex((row) => row.some((cell) => target(cell) === at));
    const x = grid[y].findIndex((cell) => target(cell) === at);
    const to = {
      ArrowLeft: () => grid[y][x - 1],
      ArrowRight: () => grid[y][x + 1],
      ArrowUp: () => near(grid[y - 1], grid[y], x),
      ArrowDown: () => near(grid[y + 1], grid[y], x),
      Home: () => grid[y][0],
      End: () => grid[y].at(-1),
    }[event.key]?.();
    if (to === undefined && !event.key.startsWith("Arrow")) return;
    event.preventDefault();
    if (to) target(to).focus();
  });
  const first = all()[0];
  if (first && !all().some((one) => one.tabIndex === 0)) take(first);
}

/** The cell of another row in the same column. */
function near(row, from, x) {
  return row?.find((cell) => cell.cellIndex === from[x].cellIndex) ?? row?.[Math.min(x, row.length - 1)];
}
