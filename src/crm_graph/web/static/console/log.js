// A log as a page: a form that narrows it, and its lines, the newest first, more of them behind.

import { ask } from "./api.js";
import { fill, h } from "./dom.js";
import { refusals } from "./states.js";
import { number, t } from "./texts.js";

/** The address of a section's log, narrowed by what is given. */
export function address(section, given) {
  const query = new URLSearchParams(Object.entries(given).filter(([, value]) => value));
  return `#/${section}${query.size ? `?${query}` : ""}`;
}

/** The form of what narrows a log: `fields`, each named as in `given`. */
export function narrowing(section, given, fields) {
  const go = (event) => {
    event.preventDefault();
    const to = address(section, Object.fromEntries(new FormData(event.target)));
    if (location.hash === to) dispatchEvent(new Event("hashchange"));
    else location.hash = to;
  };
  return h(
    "form",
    { class: "asking", role: "search", onsubmit: go },
    fields,
    h("button", { class: "first" }, t("search")),
    Object.values(given).some(Boolean) && h("a", { class: "button", href: `#/${section}` }, t("all")),
  );
}

/**
 * Put the lines of a log into `answer`. `page` gets a cursor and gives a connection and its rows; `columns` are texts;
 * `empty` is said of none. Gives the first rows.
 */
export async function lines(answer, { page, columns, name, empty, current }) {
  const body = h("tbody", {});
  const more = h("button", { type: "button", onclick: () => follow() }, t("older"));
  let after = null;
  const next = async () => {
    const [connection, rows] = await page(after);
    body.append(...rows);
    after = connection.pageInfo.endCursor;
    more.hidden = !connection.pageInfo.hasNextPage;
    return [connection, rows];
  };
  async function follow() {
    const [, rows] = await next();
    rows[0]?.querySelector("a")?.focus();
  }
  try {
    const [{ totalCount, totalCountCapped }, rows] = await next();
    if (!current()) return;
    fill(
      answer,
      h("p", { class: "quiet" }, t(totalCountCapped ? "foundMore" : "found", { n: number(totalCount) })),
      rows.length
        ? h(
            "div",
            { class: "scroll", tabindex: "0", role: "region", "aria-label": t(name) },
            h("table", {}, h("thead", {}, h("tr", {}, columns.map((one) => h("th", { scope: "col", class: one === "howMany" ? "number" : null }, t(one))))), body),
          )
        : h("p", { class: "empty" }, t(empty)),
      more,
    );
  } catch (error) {
    refuse(answer, error);
  }
}

/** Tell what was wrong with what narrows a log; raises all else. */
export function refuse(answer, error) {
  if (!error.errors?.length) throw error;
  fill(answer, refusals(error.errors.map((one) => ({ message: one.message, at: (one.extensions?.argument ?? []).slice(-1).join("") }))));
}
