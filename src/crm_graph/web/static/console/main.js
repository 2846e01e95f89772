// The frame of the page: who is signed in, which section is shown, in which language.

import { ask } from "./api.js";
import { show as showAudit } from "./audit.js";
import { show as showChanges } from "./changes.js";
import { show as showClients } from "./clients.js";
import { fill, h, refocus } from "./dom.js";
import { show as showExplain } from "./explain.js";
import { show as showIssuers } from "./issuers.js";
import { show as showOperations } from "./operations.js";
import { show as showPeople } from "./people.js";
import { show as showRoles } from "./roles.js";
import { SIGN_IN, signOut } from "./session.js";
import { show as showSimulate } from "./simulate.js";
import { choose, language, t } from "./texts.js";
import { failed, loading, message, told } from "./states.js";

/** Sections by the first part of the address, each with the action that it needs. */
const SECTIONS = {
  roles: { show: showRoles, action: "roles:read" },
  people: { show: showPeople, action: "roles:read" },
  clients: { show: showClients, action: "clients:manage" },
  issuers: { show: showIssuers, action: "roles:read" },
  explain: { show: showExplain, action: "access:explain" },
  simulate: { show: showSimulate, action: "access:simulate" },
  changes: { show: showChanges, action: "roles:read" },
  audit: { show: showAudit, action: "audit:read" },
  operations: { show: showOperations, action: "jobs:read" },
};
const ME = `query Me { viewer { user { id name @optional } access { actions } } }`;

const main = document.getElementById("main");
let me = null;

/** What the address after # asks for: a section, a path below it, and values. */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [section, ...below] = path.split("/").map(decodeURIComponent);
  return { section, below, values: new URLSearchParams(query) };
}

const mine = () => Object.keys(SECTIONS).filter((name) => me.actions.has(SECTIONS[name].action));

function frame() {
  document.documentElement.lang = language() === "zh" ? "zh-CN" : "en";
  document.title = `${t("title")} · crm-graph`;
  document.getElementById("skip").textContent = t("skip");
  const section = place().section || (me && mine()[0]);
  const other = h("button", { type: "button", class: "plain", lang: t("languageOf"), onclick: translate }, t("language"));
  fill(
    document.getElementById("top"),
    h("p", { class: "brand" }, h("img", { src: document.querySelector("link[rel=icon]").href, alt: "", width: 20, height: 20 }), "crm-graph"),
    me &&
      h(
        "nav",
        { "aria-label": t("sections") },
        mine().map((name) => h("a", { href: `#/${name}`, "aria-current": name === section ? "page" : null }, t(name))),
      ),
    h("div", { class: "me" }, me && h("span", { class: "who", title: t("signedInAs", { name: me.name }) }, me.name), other, me && h("button", { type: "button", class: "plain", onclick: leave }, t("signOut"))),
  );
  reveal();
}

/** On a narrow screen the sections scroll sideways. */
const reveal = () => document.querySelector("#top nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

function translate() {
  choose(language() === "zh" ? "en" : "zh");
  render();
  document.querySelector("#top .me button").focus();
}

async function leave() {
  await signOut();
  me = null;
  location.hash = "";
  signedOut();
}

function signedOut() {
  me = null;
  frame();
  fill(main, told(t("signedOut"), t("signedOutHint"), h("a", { class: "button first", href: SIGN_IN }, t("signIn"))));
}

let rendering = 0;

async function render() {
  const turn = (rendering += 1);
  if (me === null) {
    frame();
    fill(main, loading());
    try {
      const { viewer } = await ask(ME);
      me = { id: viewer.user?.id, name: viewer.user?.name ?? "", actions: new Set(viewer.access.actions) };
    } catch (error) {
      if (turn === rendering) fall(error);
      return;
    }
    if (turn !== rendering) return;
  }
  frame();
  const { section, below, values } = place();
  const name = section || mine()[0];
  if (name === undefined || !mine().length) fill(main, told(t("refused"), t("refusedHint")));
  else if (!(name in SECTIONS)) fill(main, told(t("notFound")));
  else if (!mine().includes(name)) fill(main, told(t("refused"), t("refusedSection")));
  else {
    const into = h("section", { class: name });
    fill(main, into);
    try {
      await SECTIONS[name].show(into, { below, values, me, current: () => turn === rendering });
    } catch (error) {
      if (turn === rendering) fall(error);
    }
  }
}

function fall(error) {
  for (const open of document.querySelectorAll("dialog[open]")) open.close();
  if (error.code === "SIGNED_OUT") signedOut();
  else fill(main, failed(error, render));
}

addEventListener("hashchange", async () => {
  scrollTo(0, 0);
  await render();
  refocus();
});
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  const { reason } = event;
  const open = document.querySelector("dialog[open]");
  if (open && reason.code !== "SIGNED_OUT") say(open, reason);
  else fall(reason);
});

/** Tell what went wrong in the dialog that it went wrong in, so that nothing written there is lost. */
function say(open, error) {
  open.querySelector(".failed")?.remove();
  open.querySelector(".body").prepend(h("p", { class: "failed error", role: "alert" }, message(error)));
}
render();
