// From a draft to a saved role: what it changes, what that does, why; and what to do where somebody else was faster.

import { ask, change } from "./api.js";
import { dialog, field, fill, h, sending } from "./dom.js";
import { reasonField } from "./forms.js";
import { idOf } from "./people.js";
import { differences, draftOf, grantInputs, merged, summarised } from "./rights.js";
import { loading, refusals } from "./states.js";
import { t } from "./texts.js";

export const ERRORS = "errors { code message path }";
export const ROLE = `id key label { zh en } description about { zh en } builtin edited version inherits actions holders grants {
  type rowRule where whereInWords levels { dataClass level } fields { field level } personalLevel writes { classes fields except }
}`;
const PREVIEW = `query Preview($draft: RoleDraft!) { previewGrants(draft: $draft) { users summary } }`;
const UPDATE = `mutation Update($key: String!, $version: Int!, $input: UpdateRoleInput!, $reason: String) {
  updateRole(key: $key, expectedVersion: $version, input: $input, reason: $reason) { role { version } proposal { id } ${ERRORS} }
}`;
const SET = `mutation Set($key: String!, $version: Int!, $grants: [GrantInput!]!, $reason: String) {
  setGrants(role: $key, expectedVersion: $version, grants: $grants, reason: $reason) { role { version } proposal { id } ${ERRORS} }
}`;
const ONE = `query Role($key: String!) { roles(keys: [$key]) { ${ROLE} } }`;

/** A dialog over a draft. It ends in one of `then`: saved, rebased on what somebody else saved, dropped, or refused. */
export async function previewAndSave(words, role, kept, then) {
  const { base, mine } = kept;
  let grants;
  try {
    grants = grantInputs(mine);
  } catch (error) {
    then.refused([{ path: ["grants", String(error.index), "where"], message: t("badJson", { message: error.message }) }]);
    return;
  }
  const changes = differences(base, mine);
  const parts = new Set(changes.map((one) => JSON.parse(one.path)[1]));
  const [outside, inside] = [parts.has("inherits") || parts.has("action"), [...parts].some((one) => one !== "inherits" && one !== "action")];
  const name = words.role(role.key);
  const { body, close } = dialog(t("previewOf", { name }), { wide: true });
  const effect = h("div", { "aria-live": "polite" }, h("p", { class: "loading" }, t("previewing")));
  let reason = "";
  fill(
    body,
    h(
      "form",
      { onsubmit: sending(send) },
      h("h3", {}, t("yourChanges")),
      changeList(words, changes),
      h("h3", {}, t("effect")),
      effect,
      trying(preview, effect),
      reasonField(reason, (value) => (reason = value), { wide: true }),
      h("div", { class: "ends" }, h("button", { type: "button", onclick: close }, t("cancel")), h("button", { class: "first" }, t("save"))),
    ),
  );
  body.querySelector("input[required]").focus();

  async function send() {
    let { version } = base;
    let errors = [];
    let waits = false;
    if (outside) {
      const told = await change(UPDATE, { key: role.key, version, input: { inherits: mine.inherits, actions: mine.actions }, reason });
      ({ errors } = told);
      version = told.role?.version ?? version;
      waits = Boolean(told.proposal);
    }
    if (waits && inside) errors = [{ code: "PARTLY", message: t("partlyProposed"), path: [] }];
    if (!errors.length && inside) {
      const told = await change(SET, { key: role.key, version, grants, reason });
      ({ errors } = told);
      waits ||= Boolean(told.proposal);
      if (errors.length && outside) errors = [{ code: "PARTLY", message: t("partly"), path: [] }, ...errors];
    }
    close();
    if (!errors.length) then.saved(waits);
    else if (errors.some((one) => one.code === "CONFLICT")) await conflict(words, role, kept, then);
    else then.refused(placed(errors, grants));
  }

  /** Tell what the draft does to whoever has the role, and to `users` as if they had it. */
  async function preview(users) {
    try {
      const { previewGrants } = await ask(PREVIEW, { draft: { role: role.key, users, ...(inside && { grants }), ...(outside && { inherits: mine.inherits, actions: mine.actions }) } });
      fill(effect, previewGrants.summary.length ? h("ul", {}, previewGrants.summary.map((one) => h("li", {}, one))) : h("p", {}, t(role.holders || users ? "noEffect" : "noHolders")));
    } catch (error) {
      const errors = (error.errors?.length ? error.errors : [error]).map((one) => ({ ...one, message: one.message, path: (one.extensions?.argument ?? []).map(String) }));
      const inDraft = errors.filter((one) => one.path[1] === "draft").map((one) => ({ ...one, path: one.path.slice(2) }));
      if (inDraft.length) {
        close();
        then.refused(placed(inDraft, grants));
      } else fill(effect, refusals(errors));
    }
  }
  await preview(null);
}

/** A person to preview a draft with, as if they had the role. */
function trying(preview, effect) {
  let name;
  const go = async () => {
    if (!name.value.trim()) return;
    const id = await idOf(name.value.trim());
    if (id === undefined) fill(effect, h("p", { class: "error" }, t("nobody")));
    else await preview([id]);
  };
  const enter = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    go();
  };
  const made = (with_) => (name = h("input", { ...with_, type: "text", autocomplete: "off", spellcheck: "false", onkeydown: enter }));
  return h("div", { class: "trying" }, field(t("asIfHadBy"), made, { hint: t("whoReadHint") }), h("button", { type: "button", onclick: go }, t("previewIt")));
}

/** Errors with the grant that was sent where they are. */
const placed = (errors, grants) => errors.map((error) => ({ ...error, sent: error.path[0] === "grants" ? grants[Number(error.path[1])] : undefined }));

export function changeList(words, changes, both = new Set()) {
  return h(
    "ul",
    { class: "changes" },
    summarised(changes).map((one) => {
      const [where, what] = words.difference(one);
      const clash = both.has(JSON.stringify([one.grant, one.kind, one.name]));
      return h("li", {}, where && h("span", { class: "quiet" }, `${where} `), what, clash && h("strong", { class: "error" }, ` ${t("bothChanged")}`));
    }),
  );
}

async function conflict(words, role, { base, mine }, then) {
  const { body, close } = dialog(t("conflictTitle", { name: words.role(role.key) }), { wide: true });
  fill(body, loading());
  const [theirs] = (await ask(ONE, { key: role.key })).roles;
  const [ours, others] = [differences(base, mine), differences(base, draftOf(theirs))];
  const id = (one) => JSON.stringify([one.grant, one.kind, one.name]);
  const both = new Set(summarised(ours).map(id).filter((one) => summarised(others).some((other) => id(other) === one)));
  const end = (go) => () => {
    close();
    go();
  };
  fill(
    body,
    h("p", {}, t("conflict")),
    h("h3", {}, t("theirChanges")),
    changeList(words, others),
    h("h3", {}, t("yourChanges")),
    changeList(words, ours, both),
    h(
      "div",
      { class: "ends" },
      h("button", { type: "button", onclick: end(then.dropped) }, t("takeTheirs")),
      h("button", { type: "button", class: "first", onclick: end(() => then.rebased(theirs, merged(base, mine, draftOf(theirs)))) }, t("keepBoth")),
    ),
  );
  body.querySelector(".first").focus();
}
