// Forms that send a change: what they ask in a dialog, why, and what the API refuses at its field.

import { announce, chooser, dialog, field, fill, focused, h, refocus, sending } from "./dom.js";
import { refusals } from "./states.js";
import { t } from "./texts.js";

/** The field for the reason of a change, which the log keeps. */
export const reasonField = (value, oninput, { required = true, wide } = {}) =>
  field(t("reason"), (with_) => h("input", { ...with_, type: "text", required, maxlength: "500", autocomplete: "off", value, oninput: (event) => oninput(event.target.value) }), { hint: t("reasonHint"), wide });

/** What errors say of the argument `part`, for its field. */
export const wrongAt = (errors) => (part) => errors.filter((error) => error.path[0] === part).map((error) => error.message).join(" ");

/**
 * A dialog with fields and a reason. `send` gets the reason and gives a payload; its errors stand at the fields named in
 * `shown`, which `fields` makes from what is wrong with each, or above them. What took effect is `said` after `again`,
 * and `then` shows what is to be shown of it.
 */
export function asking(title, verb, { send, again, then, said, fields = () => [], shown = [], required = true, danger = false }) {
  const mark = focused();
  const { body, close } = dialog(title);
  let reason = "";
  const draw = (errors = []) => {
    const rest = errors.filter((error) => !shown.includes(error.path[0]));
    fill(
      body,
      h(
        "form",
        { onsubmit: sending(go) },
        rest.length > 0 && refusals(rest),
        fields(wrongAt(errors)),
        reasonField(reason, (value) => (reason = value), { required }),
        h("div", { class: "ends" }, h("button", { type: "button", onclick: close }, t("cancel")), h("button", { class: danger ? "first danger" : "first" }, t(verb))),
      ),
    );
    (body.querySelector("[aria-invalid]") ?? body.querySelector(":required") ?? body.querySelector("select, input, textarea")).focus();
  };
  async function go() {
    const told = await send(reason || null);
    if (told.errors.length) return draw(told.errors);
    close();
    await again(told);
    refocus(mark);
    announce(told.proposal ? t("proposed") : said(told));
    then?.(told);
    return undefined;
  }
  draw();
}

/** Some of `options` [value, text], each with a button that takes it away, and a select that adds one. */
export function picks(chosen, options, label, onchange) {
  const names = new Map(options);
  const element = h("div", { class: "picks" });
  const draw = (focus) => {
    const more = options.filter(([value]) => !chosen.includes(value));
    const take = (one) => () => {
      chosen.splice(chosen.indexOf(one), 1);
      draw(true);
      onchange();
    };
    const add = (value) => {
      chosen.push(value);
      draw(true);
      onchange();
    };
    const adder = chooser([["", t("add")], ...more], { "aria-label": `${t("add")}: ${label}` }, add);
    fill(
      element,
      chosen.map((one) => h("span", { class: "chip" }, names.get(one) ?? one, h("button", { type: "button", class: "plain", "aria-label": `${t("take")}: ${names.get(one) ?? one}`, title: t("take"), onclick: take(one) }, "×"))),
      more.length > 0 && adder,
    );
    if (focus) (more.length ? adder : element.querySelector("button"))?.focus();
  };
  draw();
  return element;
}
