// What the page says, in English and Chinese: by the browser's language, or as was chosen. Each section's texts stand
// beside it, as [English, Chinese].

import audit from "./audit.texts.js";
import changes from "./changes.texts.js";
import clients from "./clients.texts.js";
import explain from "./explain.texts.js";
import issuers from "./issuers.texts.js";
import main from "./main.texts.js";
import operations from "./operations.texts.js";
import people from "./people.texts.js";
import proposals from "./proposals.texts.js";
import roles from "./roles.texts.js";
import simulate from "./simulate.texts.js";
import words from "./words.texts.js";

const LANGUAGES = ["en", "zh"];
/** By section, for the test that no text is said twice. */
export const ROOMS = { audit, changes, clients, explain, issuers, main, operations, people, proposals, roles, simulate, words };
const TEXTS = Object.assign({}, ...Object.values(ROOMS));
const KEPT = "crm-graph.language";
let now = chosen() ?? (navigator.languages.find((one) => /^(en|zh)\b/i.test(one)) ?? "en").slice(0, 2).toLowerCase();

function chosen() {
  try {
    const kept = localStorage.getItem(KEPT);
    return LANGUAGES.includes(kept) ? kept : null;
  } catch {
    return null;
  }
}

/** "en" or "zh". */
export const language = () => now;

export function choose(one) {
  now = one;
  try {
    localStorage.setItem(KEPT, one);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

/** A text with its values in the place of {names}; `n` picks between one and many. */
export function t(key, values = {}) {
  let text = TEXTS[key]?.[LANGUAGES.indexOf(now)] ?? key;
  if (typeof text === "object") text = text[String(values.n) === "1" ? "one" : "other"];
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Whether there is such a text. */
export const said = (key) => key in TEXTS;

/** A label that the API told in both languages. */
export const label = (labels) => labels?.[now] ?? "";

/** A moment as people write it. */
export const moment = (iso) =>
  new Intl.DateTimeFormat(now === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));

export const number = (value) => new Intl.NumberFormat(now === "zh" ? "zh-CN" : "en").format(value);
