// The OpenID Connect issuers that people come through: whether they are let in, and which claims give which roles.

import { ask, change } from "./api.js";
import { announce, field, fill, h, sending } from "./dom.js";
import { asking, picks, reasonField, wrongAt } from "./forms.js";
import { idOf } from "./people.js";
import { WAITING, waiting } from "./proposals.js";
import { loading, refusals, told } from "./states.js";
import { label, number, t } from "./texts.js";
import { Words } from "./words.js";

const ISSUER = `url name status audiences clients algorithms plainTokens leewaySeconds signInClient signInScope hasSignInSecret
  roleMap { claim value roles teams }`;
const LIST = `query Issuers { issuers { ${ISSUER} } roles { key label { zh en } } ${WAITING} }`;
const AGAIN = `query Issuers { issuers { ${ISSUER} } }`;
const TEAMS = `query Teams { teams(first: 200, orderBy: [{ name: ASC }]) { nodes { key name } } }`;
const SAVE = `mutation Save(
  $url: String!, $name: String, $audiences: [String!], $clients: [String!], $algorithms: [String!], $plainTokens: Boolean, $leewaySeconds: Int,
  $roleMap: [ClaimRuleInput!], $signInClient: String, $signInScope: String, $signInSecret: String, $status: IssuerStatus, $reason: String
) {
  saveIssuer(
    url: $url, name: $name, audiences: $audiences, clients: $clients, algorithms: $algorithms, plainTokens: $plainTokens,
    leewaySeconds: $leewaySeconds, roleMap: $roleMap, signInClient: $signInClient, signInScope: $signInScope, signInSecret: $signInSecret,
    status: $status, reason: $reason
  ) { issuer { url } proposal { id } errors { code message path } }
}`;
const LINK = `mutation Link($user: ID!, $issuer: String!, $subject: String!, $reason: String) {
  linkIdentity(user: $user, issuer: $issuer, subject: $subject, reason: $reason) { user { id } proposal { id } errors { code message path } }
}`;
const UNLINK = `mutation Unlink($issuer: String!, $subject: String!, $reason: String) {
  unlinkIdentity(issuer: $issuer, subject: $subject, reason: $reason) { user { id } errors { code message path } }
}`;
const NEW = { url: "", name: "", audiences: [], clients: [], algorithms: ["ES256", "EdDSA", "PS256", "RS256"], plainTokens: false, leewaySeconds: 5, signInClient: null, signInScope: "openid profile email", roleMap: [] };
const SETTINGS = Object.keys(NEW).filter((one) => one !== "url");

/** Edits by the url of their issuer, "" for a new one: { base, mine }. They stay while somebody looks elsewhere. */
const drafts = new Map();
addEventListener("beforeunload", (event) => {
  if ([...drafts.values()].some((one) => changed(one).length)) event.preventDefault();
});

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const changed = ({ base, mine }) => SETTINGS.filter((name) => !same(base[name], mine[name])).concat("signInSecret" in mine ? ["signInSecret"] : []);

export async function show(into, asked) {
  const { me, below, values } = asked;
  fill(into, loading());
  const { issuers, roles, rightsProposals } = await ask(LIST);
  const page = { into, me, issuers, roles, words: new Words(roles, []), again: () => show(into, asked), canEdit: me.actions.has("roles:manage") && me.actions.has("roles:assign") };
  const [what] = below;
  if (what === undefined) {
    const waits = await waiting(page, rightsProposals.filter((one) => one.verb === "saveIssuer" || one.verb === "linkIdentity"));
    if (asked.current()) list(page, waits);
    return;
  }
  const issuer = what === "new" ? null : issuers.find((one) => one.url === values.get("url"));
  page.teams = page.canEdit ? await teams() : [];
  if (!asked.current()) return;
  if (issuer === undefined || (issuer === null && !page.canEdit)) fill(into, told(t("notFound"), null, h("a", { href: "#/issuers" }, t("issuers"))));
  else sheet(page, issuer);
}

/** Teams that rules can name: those with a key, where they can be seen at all. */
async function teams() {
  try {
    return (await ask(TEAMS)).teams.nodes.filter((one) => one.key).map((one) => [one.key, one.name]);
  } catch (error) {
    if (error.code !== "VALIDATION_FAILED") throw error;
    return [];
  }
}

function list(page, waits) {
  const { issuers, canEdit } = page;
  fill(
    page.into,
    h("header", { class: "bar" }, h("h1", {}, t("issuers")), h("span", { class: "quiet" }, t("found", { n: number(issuers.length) })), h("span", { class: "gap" }), canEdit && h("a", { class: "button first", href: "#/issuers/new" }, t(drafts.has("") ? "newIssuerDraft" : "newIssuer"))),
    waits,
    issuers.length
      ? h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": t("issuers") },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ["issuer", "status", "gives", "audiences", "signInHere"].map((one) => h("th", { scope: "col" }, t(one))), h("th", { scope: "col" }, h("span", { class: "unseen" }, t("edit"))))),
            h("tbody", {}, issuers.map((one) => row(page, one))),
          ),
        )
      : h("p", { class: "empty" }, t("noIssuers")),
  );
}

function row(page, issuer) {
  const { url, name, status } = issuer;
  const given = [...new Set(issuer.roleMap.flatMap((rule) => rule.roles))];
  const active = status === "ACTIVE";
  const turn = (verb, to, said) => asking(t(verb === "suspend" ? "suspendWhom" : "resumeWhom", { name }), verb, { send: (reason) => change(SAVE, { url, status: to, reason }), again: page.again, said: () => t(said, { name }), danger: verb === "suspend" });
  return h(
    "tr",
    { class: active ? null : "off" },
    h("th", { scope: "row" }, name, drafts.has(url) && h("small", { class: "chip" }, t("drafted")), h("code", { class: "under" }, url)),
    h("td", {}, h("span", { class: `state ${status.toLowerCase()}` }, t(status))),
    h("td", {}, given.length ? given.map((key) => h("a", { class: "chip", href: `#/roles/${key}` }, page.words.role(key))) : h("span", { class: "quiet" }, t("noRoles"))),
    h("td", { class: "codes" }, issuer.audiences.map((one) => h("code", {}, one))),
    h("td", {}, issuer.signInClient === null ? t("no") : t("yes")),
    h(
      "td",
      { class: "acts" },
      h("a", { class: "button", "aria-label": `${t(page.canEdit ? "edit" : "look")}: ${name}`, href: `#/issuers/edit?url=${encodeURIComponent(url)}` }, t(page.canEdit ? "edit" : "look")),
      page.canEdit && [h("button", { type: "button", "aria-label": `${t("link")}: ${name}`, onclick: () => link(page, issuer) }, t("link")), h("button", { type: "button", "aria-label": `${t("unlink")}: ${name}`, onclick: () => unlink(page, issuer) }, t("unlink"))],
      page.canEdit &&
        (active
          ? h("button", { type: "button", "aria-label": t("suspendWhom", { name }), onclick: () => turn("suspend", "SUSPENDED", "suspended") }, t("suspend"))
          : h("button", { type: "button", "aria-label": t("resumeWhom", { name }), onclick: () => turn("resume", "ACTIVE", "resumed") }, t("resume"))),
    ),
  );
}

const text = (given, name, label_, hint, wrong) =>
  field(t(label_), (with_) => h("input", { ...with_, type: "text", required: true, autocomplete: "off", spellcheck: "false", value: given[name], oninput: (event) => (given[name] = event.target.value) }), { hint: t(hint), error: wrong(name) });

/** Let a subject of an issuer be a user who is there already. */
function link(page, issuer) {
  const given = { user: "", subject: "" };
  asking(`${t("link")}: ${issuer.name}`, "link", {
    shown: ["user", "subject"],
    fields: (wrong) => [h("p", { class: "quiet" }, t("linkHint")), text(given, "user", "person", "whoReadHint", wrong), text(given, "subject", "subject", "subjectHint", wrong)],
    send: async (reason) => {
      const user = await idOf(given.user.trim());
      return user === undefined ? { errors: [{ path: ["user"], message: t("nobody") }] } : change(LINK, { user, issuer: issuer.url, subject: given.subject, reason });
    },
    again: page.again,
    said: () => t("linked", { name: given.user }),
  });
}

/** Let a subject of an issuer be nobody. */
function unlink(page, issuer) {
  const given = { subject: "" };
  asking(`${t("unlink")}: ${issuer.name}`, "unlink", {
    danger: true,
    shown: ["subject"],
    fields: (wrong) => [h("p", { class: "quiet" }, t("unlinkHint")), text(given, "subject", "subject", "subjectHint", wrong)],
    send: (reason) => change(UNLINK, { issuer: issuer.url, subject: given.subject, reason }),
    again: page.again,
    said: () => t("done"),
  });
}

/** One issuer with all that is set of it, as a form; an edit of it stays in `drafts`. */
function sheet(page, issuer) {
  const key = issuer?.url ?? "";
  const kept = drafts.get(key) ?? { base: issuer ?? NEW, mine: structuredClone(issuer ?? NEW) };
  let reason = "";
  const mind = () => (issuer === null || changed(kept).length ? drafts.set(key, kept) : drafts.delete(key));
  const leave = () => (location.hash = "#/issuers");
  const draw = (errors = []) => {
    const wrong = wrongAt(errors);
    const rest = errors.filter((error) => ![...SETTINGS, "url", "signInSecret"].includes(error.path[0]));
    fill(
      page.into,
      h("header", { class: "bar" }, h("h1", {}, issuer ? issuer.name : t("newIssuer")), issuer && h("code", {}, issuer.url)),
      h(
        "form",
        { class: "sheet", onsubmit: sending(send) },
        rest.length > 0 && refusals(rest.map((error) => ({ ...error, at: error.path.join(".") }))),
        h("fieldset", { disabled: !page.canEdit }, settings(kept, issuer, wrong, mind), rules(page, kept.mine, wrong, mind), signIn(kept.mine, issuer, wrong, mind)),
        h(
          "footer",
          { class: "saving" },
          page.canEdit && reasonField(reason, (value) => (reason = value)),
          h("span", { class: "gap" }),
          h("button", { type: "button", onclick: () => (drafts.delete(key), leave()) }, t(page.canEdit ? "discard" : "close")),
          page.canEdit && h("button", { class: "first" }, t("save")),
        ),
      ),
    );
    (page.into.querySelector(".refused, [aria-invalid]") ?? page.into.querySelector("input, a"))?.focus();
  };
  async function send() {
    const names = issuer ? changed(kept) : [...SETTINGS, "signInSecret"].filter((name) => name in kept.mine);
    if (!names.length) return draw([{ message: t("noChanges"), path: [] }]);
    const theirs = await meanwhile(kept, issuer, names);
    if (theirs.length) return draw(theirs);
    const told_ = await change(SAVE, { ...Object.fromEntries(names.map((name) => [name, kept.mine[name]])), url: kept.mine.url, reason });
    if (told_.errors.length) return draw(told_.errors);
    drafts.delete(key);
    leave();
    announce(t(told_.proposal ? "proposed" : "saved"));
    return undefined;
  }
  draw();
}

/** What somebody else has changed of what is about to be saved. The edit then stands on theirs, and replaces it next time. */
async function meanwhile(kept, issuer, names) {
  const { issuers } = await ask(AGAIN);
  const now = issuers.find((one) => one.url === kept.mine.url);
  if (issuer === null) return now ? [{ message: t("issuerThere"), path: ["url"] }] : [];
  const both = names.filter((name) => name in kept.base && now && !same(now[name], kept.base[name]));
  for (const name of SETTINGS) if (now && !names.includes(name)) kept.mine[name] = structuredClone(now[name]);
  kept.base = now ?? kept.base;
  return both.map((name) => ({ message: t("changedMeanwhile", { name: t(name) }), path: [name] }));
}

function settings({ mine }, issuer, wrong, mind) {
  const input = (name, more, hint) => field(t(name), (with_) => h("input", { ...with_, type: "text", autocomplete: "off", spellcheck: "false", value: mine[name], oninput: (event) => ((mine[name] = event.target.value), mind()), ...more }), { hint: hint && t(hint), error: wrong(name) });
  return h(
    "div",
    { class: "fieldsheet" },
    input("name", { required: true, maxlength: "100" }),
    issuer === null && input("url", { type: "url", required: true, placeholder: "https://login.example.com" }, "urlHint"),
    texts(mine, "audiences", "audiencesHint", wrong, mind, true),
    texts(mine, "clients", "clientsHint", wrong, mind),
    field(t("algorithms"), (with_) => h("input", { ...with_, type: "text", required: true, value: mine.algorithms.join(" "), oninput: (event) => ((mine.algorithms = event.target.value.split(/[\s,]+/).filter(Boolean)), mind()) }), { hint: t("algorithmsHint"), error: wrong("algorithms") }),
    field(t("leewaySeconds"), (with_) => h("input", { ...with_, type: "number", required: true, min: "0", max: "300", step: "1", value: mine.leewaySeconds, oninput: (event) => ((mine.leewaySeconds = event.target.valueAsNumber), mind()) }), { hint: t("leewayHint"), error: wrong("leewaySeconds") }),
    h("label", { class: "tick" }, h("input", { type: "checkbox", checked: mine.plainTokens, onchange: (event) => ((mine.plainTokens = event.target.checked), mind()) }), " ", t("plainTokens"), h("small", { class: "under" }, t("plainHint"))),
  );
}

/** Texts, one in each line. */
const texts = (mine, name, hint, wrong, mind, required = false) =>
  field(t(name), (with_) => h("textarea", { ...with_, rows: "3", required, spellcheck: "false", value: mine[name].join("\n"), oninput: (event) => ((mine[name] = event.target.value.split("\n").map((one) => one.trim()).filter(Boolean)), mind()) }), { hint: t(hint), error: wrong(name) });

function rules(page, mine, wrong, mind) {
  const body = h("tbody", {});
  const roles = page.roles.filter((one) => one.key !== "everyone").map((one) => [one.key, label(one.label)]);
  const draw = (focus) => {
    fill(body, mine.roleMap.map((rule, index) => ruleRow({ rule, index, roles, teams: page.teams }, mind, () => (mine.roleMap.splice(index, 1), mind(), draw(Math.max(0, index - 1))))));
    empty.hidden = mine.roleMap.length > 0;
    table.hidden = !mine.roleMap.length;
    if (focus !== undefined) (body.rows[focus]?.querySelector("input") ?? more).focus();
  };
  const add = () => {
    const last = mine.roleMap.at(-1);
    mine.roleMap.push({ claim: [...(last?.claim ?? ["groups"])], value: "", roles: [], teams: [] });
    mind();
    draw(mine.roleMap.length - 1);
    body.rows[mine.roleMap.length - 1].querySelectorAll("input")[1].focus();
  };
  const more = h("button", { type: "button", onclick: add }, t("addRule"));
  const empty = h("p", { class: "quiet" }, t("noRules"));
  const table = h(
    "table",
    { class: "rules" },
    h("caption", { class: "unseen" }, t("roleMap")),
    h("thead", {}, h("tr", {}, ["claim", "value", "givesRoles", "givesTeams"].map((one) => h("th", { scope: "col" }, t(one))), h("th", { scope: "col" }, h("span", { class: "unseen" }, t("remove"))))),
    body,
  );
  draw();
  const error = wrong("roleMap");
  return h("section", {}, h("h2", {}, t("roleMap")), h("p", { class: "quiet" }, t("roleMapHint"), " ", t("claimHint")), error && h("p", { class: "error", role: "alert", tabindex: "-1", "aria-invalid": "true" }, error), h("div", { class: "sideways" }, table), empty, more);
}

function ruleRow({ rule, index, roles, teams }, mind, remove) {
  const about = t("ruleNumber", { n: index + 1 });
  const input = (name, value, set) => h("input", { type: "text", required: true, autocomplete: "off", spellcheck: "false", "aria-label": `${about}: ${t(name)}`, value, oninput: (event) => (set(event.target.value), mind()) });
  const check = () => gives.querySelector("select")?.setCustomValidity(rule.roles.length || rule.teams.length ? "" : t("ruleEmpty"));
  const picked = () => (check(), mind());
  const gives = picks(rule.roles, roles, `${about}: ${t("givesRoles")}`, picked);
  check();
  return h(
    "tr",
    {},
    h("td", {}, input("claim", rule.claim.join(" > "), (value) => (rule.claim = value.split(">").map((one) => one.trim()).filter(Boolean)))),
    h("td", {}, input("value", rule.value, (value) => (rule.value = value))),
    h("td", {}, gives),
    h("td", {}, picks(rule.teams, teams, `${about}: ${t("givesTeams")}`, picked)),
    h("td", { class: "acts" }, h("button", { type: "button", "aria-label": `${t("remove")}: ${about}`, onclick: remove }, t("remove"))),
  );
}

function signIn(mine, issuer, wrong, mind) {
  const input = (name, value, set, more, hint) => field(t(name), (with_) => h("input", { ...with_, type: "text", autocomplete: "off", spellcheck: "false", value, oninput: (event) => (set(event.target.value), mind()), ...more }), { hint: t(hint), error: wrong(name) });
  const secret = (value) => {
    if (value) mine.signInSecret = value;
    else delete mine.signInSecret;
  };
  const forget = (event) => ((event.target.checked ? (mine.signInSecret = null) : delete mine.signInSecret), mind());
  return h(
    "section",
    {},
    h("h2", {}, t("signInHere")),
    h("p", { class: "quiet" }, t("signInHereHint", { url: new URL("console/callback", document.baseURI).href })),
    h(
      "div",
      { class: "fieldsheet" },
      input("signInClient", mine.signInClient ?? "", (value) => (mine.signInClient = value || null), {}, "signInClientHint"),
      input("signInScope", mine.signInScope, (value) => (mine.signInScope = value), { required: true }, "signInScopeHint"),
      input("signInSecret", mine.signInSecret ?? "", secret, { type: "password", autocomplete: "new-password" }, issuer?.hasSignInSecret ? "secretKept" : "secretNone"),
      issuer?.hasSignInSecret && h("label", { class: "tick" }, h("input", { type: "checkbox", checked: mine.signInSecret === null, onchange: forget }), " ", t("forgetSecret")),
    ),
  );
}
