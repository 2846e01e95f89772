// What the page says, in English and Chinese: by the browser's language, or as was chosen.

const LANGUAGES = ["en", "zh"];
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

const read = async (one) => (await import(`./texts.${one}.js`)).default;
let texts = await read(now);

/** "en" or "zh". */
export const language = () => now;

export async function choose(one) {
  texts = await read(one);
  now = one;
  try {
    localStorage.setItem(KEPT, one);
  } catch {
    // A browser that keeps nothing asks again next time.
  }
}

/** A text with its values in the place of {names}; `n` picks between one and many. */
export function t(key, values = {}) {
  let text = texts[key] ?? key;
  if (typeof text === "object") text = text[String(values.n) === "1" ? "one" : "other"];
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** A label that the API told in both languages. */
export const label = (labels) => labels?.[now] ?? "";

/** A moment as people write it. */
export const moment = (iso) =>
  new Intl.DateTimeFormat(now === "zh" ? "zh-CN" : "en-GB", { dateStyle: "medium", timeStyle: "short" }).format(new Date(iso));

export const number = (value) => new Intl.NumberFormat(now === "zh" ? "zh-CN" : "en").format(value);
