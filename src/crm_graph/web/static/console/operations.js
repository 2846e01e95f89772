// What happens later: how jobs and timers go, what failed, and whether it is tried again.

import { ask, change } from "./api.js";
import { fill, h } from "./dom.js";
import { asking } from "./forms.js";
import { address, lines } from "./log.js";
import { loading } from "./states.js";
import { moment, number, said, t } from "./texts.js";

const FIGURES = `query Operations { operations {
  feed { lagSeconds }
  jobs { waiting later failed running held oldestSeconds }
  timers { kind waiting due failed held fired firedAt lateSeconds overdueSeconds }
} }`;
const JOBS = `query Jobs($after: String, $states: [JobState!]!) {
  jobs(first: 50, after: $after, where: { states: $states }) {
    nodes { id handler state attempts nextAttemptAt errorCode errorKind errorPlace updatedAt }
    pageInfo { hasNextPage endCursor } totalCount totalCountCapped
  }
}`;
const TIMERS = `query Timers($after: String) {
  failedTimers(first: 50, after: $after) {
    nodes { id kind state attempts dueAt nextAttemptAt errorCode errorKind errorPlace }
    pageInfo { hasNextPage endCursor } totalCount totalCountCapped
  }
}`;
const acting = (name) => `mutation Act($id: ID!, $reason: String) { ${name}(id: $id, reason: $reason) { errors { code message path } } }`;
const STATES = ["HELD", "WAITING", "RUNNING"];
/** From here on something is late: timers fire within a second. */
const LATE_S = 1;
/** An ordinary transaction is over before that. */
const FEED_LATE_S = 10;

export async function show(into, asked) {
  const { me, values } = asked;
  const state = STATES.includes(values.get("jobs")) ? values.get("jobs") : STATES[0];
  fill(into, loading());
  const { operations } = await ask(FIGURES);
  if (!asked.current()) return;
  const page = { canAct: me.actions.has("jobs:manage"), again: () => show(into, asked) };
  const [jobs, timers] = [h("div", { "aria-live": "polite" }), h("div", { "aria-live": "polite" })];
  fill(
    into,
    h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, t("operations")), h("span", { class: "gap" }), h("button", { type: "button", onclick: page.again }, t("refresh"))),
    h("p", { class: "quiet" }, t("operationsHint")),
    h("h2", {}, t("jobs")),
    queue(operations, state),
    jobs,
    h("h2", {}, t("timers")),
    kinds(operations.timers),
    h("h2", {}, t("failedTimers")),
    timers,
  );
  await Promise.all([
    lines(jobs, {
      page: async (after) => {
        const found = (await ask(JOBS, { after, states: [state] })).jobs;
        return [found, found.nodes.map((one) => row(page, "Job", one, one.handler, one.updatedAt))];
      },
      columns: ["job", "status", "attempts", "changedAt", "whatFailed", "acts"],
      name: "jobs",
      empty: `noJobs_${state}`,
      current: asked.current,
    }),
    lines(timers, {
      page: async (after) => {
        const found = (await ask(TIMERS, { after })).failedTimers;
        return [found, found.nodes.map((one) => row(page, "Timer", one, called(one.kind), one.dueAt))];
      },
      columns: ["timer", "status", "attempts", "dueAt", "whatFailed", "acts"],
      name: "failedTimers",
      empty: "noFailedTimers",
      current: asked.current,
    }),
  ]);
}

/** What a kind of timers is called. */
const called = (kind) => (said(`kind_${kind}`) ? t(`kind_${kind}`) : kind);

/** How the queue stands; what is counted leads to its list. */
function queue({ jobs, feed }, state) {
  const count = (name, of, wrong) => figure(t(`jobs_${name}`), number(jobs[name]), { href: of && address("operations", { jobs: of === STATES[0] ? "" : of }), current: of === state, wrong: wrong && jobs[name] > 0 });
  return h(
    "dl",
    { class: "figures" },
    count("held", "HELD", true),
    count("failed", null, true),
    count("running", "RUNNING"),
    count("waiting", "WAITING"),
    count("later", null),
    figure(t("oldestWaits"), span(jobs.oldestSeconds)),
    figure(t("feedBehind"), span(feed.lagSeconds), { wrong: feed.lagSeconds > FEED_LATE_S }),
  );
}

const figure = (name, value, { href, current, wrong } = {}) =>
  h("div", {}, h("dt", {}, name), h("dd", { class: wrong ? "wrong" : null }, href ? h("a", { href, "aria-current": current ? "true" : null, "aria-label": `${name}: ${value}` }, value) : value));

function kinds(timers) {
  const head = ["timer", "timersWaiting", "timersDue", "timersFailed", "timersHeld", "timersFired", "lastFired", "howLate"];
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": t("timers") },
    h("table", {}, h("thead", {}, h("tr", {}, head.map((one) => h("th", { scope: "col", class: one === "timer" || one === "lastFired" ? null : "number" }, t(one))))), h("tbody", {}, timers.map(kind))),
  );
}

function kind(one) {
  const late = Math.max(one.overdueSeconds, one.lateSeconds ?? 0);
  const counted = (value, wrong) => h("td", { class: wrong && value > 0 ? "number wrong" : "number" }, number(value));
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, called(one.kind)),
    counted(one.waiting),
    counted(one.due),
    counted(one.failed, true),
    counted(one.held, true),
    counted(one.fired),
    h("td", { class: "when" }, one.firedAt && moment(one.firedAt)),
    h("td", { class: late > LATE_S ? "number wrong" : "number" }, one.firedAt || one.due ? span(late) : ""),
  );
}

/** So many seconds, as people say it. */
function span(seconds) {
  if (seconds < 10) return t("seconds", { n: number(Math.round(seconds * 10) / 10) });
  if (seconds < 120) return t("seconds", { n: number(Math.round(seconds)) });
  return seconds < 7200 ? t("minutes", { n: number(Math.round(seconds / 60)) }) : t("hours", { n: number(Math.round(seconds / 3600)) });
}

/** A job or a timer, and what can be done to it. */
function row(page, what, one, name, at) {
  const act = (verb, danger) => {
    const title = t(`${verb}What`, { name });
    const send = (reason) => change(acting(`${verb}${what}`), { id: one.id, reason });
    return h("button", { type: "button", "aria-label": title, onclick: () => asking(title, verb, { again: page.again, required: danger, danger, send, said: () => t(`${verb}Done`, { name }) }) }, t(verb));
  };
  const failure = one.errorCode && [one.errorKind ?? "", one.errorPlace && h("code", { class: "under" }, one.errorPlace)];
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, name, h("code", { class: "under" }, one.id)),
    h("td", {}, h("span", { class: `state ${one.state === "HELD" ? "suspended" : ""}` }, t(`later_${one.state}`)), one.nextAttemptAt && h("small", { class: "under" }, t("againAt", { when: moment(one.nextAttemptAt) }))),
    h("td", {}, number(one.attempts)),
    h("td", { class: "when" }, h("time", { datetime: at, title: at }, moment(at))),
    h("td", { class: "what" }, failure && [h("code", {}, one.errorCode), " ", failure]),
    h("td", { class: "acts" }, page.canAct && one.state !== "RUNNING" && [act("retry", false), act("discard", true)]),
  );
}
