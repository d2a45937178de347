// Steps of warnings that wait for a second person: what, why, until when; agree or refuse.

import { both, byId, el } from "./dom.js";
import { beijingText } from "./format.js";
import { LEVELS } from "./overlay.js";
import { findJson, postJson } from "./service.js";
import { may, signedIn } from "./signin.js";

const API = "/api/v1/proposals";
const drafts = new Map(); // reasons being typed: lists are drawn anew while somebody writes

/** What waits, with how far the clock of the service is ahead; null where nobody is signed in. */
export async function loadProposals() {
  return signedIn() ? findJson(API) : null;
}

/** Whether somebody is writing: then the list is left as it is. */
export const writing = () => byId("panel").querySelector("input:focus") !== null;

export function proposalsPanel(answer, counties, serverNow, done) {
  if (!answer) return [el("p", { class: "note" }, both("登录后可见。", "Sign in to see them."))];
  if (!answer.proposals.length) return [el("p", { class: "note" }, both("没有待审批的预警操作。", "Nothing waits for a second person."))];
  const heading = el("h2", {}, both(`待审批 ${answer.proposals.length} 项`, "steps wait for a second person"));
  return [heading, ...answer.proposals.map((one) => card(one, counties, serverNow, done))];
}

function card(one, counties, serverNow, done) {
  const county = counties.get(one.county) ?? { name_zh: one.county, name_en: "" };
  const left = Math.max(0, Math.round((Date.parse(one.due_at) - serverNow) / 60000));
  const then = one.otherwise === "issue" ? ["自动执行", "it is done"] : ["作废", "it is dropped"];
  const by = one.proposed_by === "cycle" ? both("提出：系统按规则", "by the rules") : both(`提出：${one.proposed_by}`, "by");
  const said = el("p", { class: "note", role: "alert" });
  return el("div", { class: "card", colour: LEVELS[one.level], "data-proposal": one.proposal },
    el("span", { class: `tag ${one.level}` }, `${one.hazard_zh}${one.level_zh}`), " ",
    el("b", {}, `${one.step_zh}　${county.name_zh}${one.place_zh ? ` ${one.place_zh}` : ""}`), " ",
    el("small", {}, `${one.step} ${one.place_en ? `${one.place_en}, ` : ""}${county.name_en} ${one.level}`),
    el("div", {}, by, `　${beijingText(Date.parse(one.created_at))}`),
    one.reason ? el("div", {}, both(`理由：${one.reason}`, "reason")) : "",
    el("div", {}, both(`涉及 ${Object.keys(one.cells).length} 个网格`, "cells")),
    el("div", { class: "old" }, both(
      `${left} 分钟后（${beijingText(Date.parse(one.due_at))}）无人答复即${then[0]}`,
      `${then[1]} in ${left} min if nobody answers`)),
    may("approve") ? answers(one, said, done) : el("p", { class: "note" }, both("本密钥无审批权。", "This key may not decide.")),
    said);
}

function answers(one, said, done) {
  const reason = el("input", {
    type: "text", maxlength: 200, value: drafts.get(one.proposal) ?? "", "aria-label": "理由 Reason",
    placeholder: "理由（驳回必填） reason, needed to refuse", oninput: (event) => drafts.set(one.proposal, event.target.value),
  });
  const send = async (what) => {
    try {
      await postJson(`${API}/${one.proposal}/${what}`, { reason: reason.value.trim() });
      drafts.delete(one.proposal);
      reason.blur();
      await done();
    } catch (error) {
      said.replaceChildren(both("未能提交", error.message));
    }
  };
  return el("div", { class: "answers" }, reason,
    el("button", { type: "button", "data-answer": "approve", onclick: () => send("approve") }, both("同意", "Approve")),
    el("button", { type: "button", "data-answer": "reject", onclick: () => send("reject") }, both("驳回", "Refuse")));
}
