// What stands in the place of an answer: that it is on its way, that there is none, and why.

import { h } from "./dom.js";
import { t } from "./texts.js";

export const loading = () => h("p", { class: "loading", role: "status" }, t("loading"));

/** A plain message with what to do. */
export const told = (title, hint, ...more) =>
  h("div", { class: "told" }, h("h1", {}, title), hint && h("p", {}, hint), ...more);

export const message = (error) => (error.code === "UNREACHABLE" ? t("unreachable") : t("failed", { message: error.message }));

export function failed(error, again) {
  return h("div", { class: "told", role: "alert" }, h("h1", {}, message(error)), h("button", { type: "button", onclick: again }, t("retry")));
}

/** What the API refused, as a list. */
export const refusals = (errors) =>
  h(
    "div",
    { class: "refused", role: "alert", tabindex: "-1" },
    h("p", {}, t("errors", { n: errors.length })),
    h("ul", {}, errors.map((error) => h("li", {}, error.message, error.at && h("code", {}, error.at)))),
  );
