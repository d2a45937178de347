// Dispatch: one reservoir as it is, what is wished of it, and what came of the wish.

import { curvesChart } from "./charts.js";
import { comparison, outcome } from "./dispatch_outcome.js";
import { refusedZh } from "./dispatch_words.js";
import { both, el } from "./dom.js";
import { beijingText, flow } from "./format.js";
import { findJson, getJson, postJson } from "./service.js";
import { may } from "./signin.js";

const API = "/api/v1";
const HOUR = 3600e3;
const metres = (v) => (v == null ? "—" : `${v.toFixed(2)} m`);
const number = (name, label, options = {}) => el("input", { type: "number", step: "any", min: 0, "data-field": name, "aria-label": label, ...options });
const labelled = (text, node, unit) => el("label", {}, el("span", {}, text), el("span", {}, node, unit ? ` ${unit}` : ""));

class Wrong extends Error {} // what is typed cannot be sent; said in both languages

export class Dispatch {
  #cycle = null;
  #start = 0;
  #reservoirs = [];
  #chosen = null;
  #answer = null;
  #root = el("div", { class: "dispatch" }, el("p", { class: "note" }, both("正在读取水库……", "reading the reservoirs")));

  /** Nodes of the panel: always the same, so that what is being typed stays. */
  panel(cycle, gauges) {
    if (cycle !== this.#cycle) {
      this.#cycle = cycle;
      this.#load(cycle, gauges).catch((error) => this.#root.replaceChildren(el("p", { role: "alert" }, both("水库读取失败", error.message))));
    }
    return [this.#root];
  }

  async #load(cycle, gauges) {
    const answer = await findJson(`${API}/reservoirs?cycle=${cycle}`);
    if (cycle !== this.#cycle) return;
    this.#reservoirs = answer?.reservoirs ?? [];
    if (!this.#reservoirs.length) {
      this.#root.replaceChildren(el("p", { class: "note" }, both("本周期没有水库预报。", "This cycle has no reservoirs.")));
      return;
    }
    this.#start = Date.parse(answer.time);
    if (!this.#reservoirs.some((r) => r.id === this.#chosen)) this.#chosen = this.#reservoirs[0].id;
    if (!this.form) this.#build(gauges);
    this.pick.replaceChildren(...this.#reservoirs.map((r) => el("option", { value: r.id, selected: r.id === this.#chosen }, `${r.name_zh} ${r.name_en}`)));
    this.#clocks();
    await this.#choose(this.#chosen);
    if (may("what-if")) await this.#list();
  }

  #build(gauges) {
    this.pick = el("select", { "data-field": "reservoir", "aria-label": "水库 Reservoir", onchange: () => this.#choose(this.pick.value) });
    this.now = el("div", { "data-part": "now" });
    this.said = el("p", { role: "alert" });
    this.busy = el("p", { class: "note", role: "status" });
    this.result = el("div", { "data-part": "result" });
    this.form = may("what-if") ? this.#form(gauges) : el("p", { class: "note" }, both("推演需要有相应权限的密钥：请登录。", "What-ifs need a key that may run them: sign in."));
    this.#root.replaceChildren(el("h2", {}, both("水库调度", "Dispatch")), el("div", { class: "row" }, this.pick), this.now, this.form, this.said, this.busy, this.result);
  }

  // -------------------------------------------------------------- as it is

  async #choose(id) {
    this.#chosen = id;
    const cycle = this.#cycle;
    const one = await getJson(`${API}/reservoirs/${id}?cycle=${cycle}`);
    if (id !== this.#chosen || cycle !== this.#cycle) return;
    const r = one.reservoir, analysis = Date.parse(one.time), times = one.level.times.map((t) => Date.parse(t));
    const facts = [
      [both("水位", "level"), metres(r.level_now)], [both("汛限水位", "flood limit"), metres(r.flood_limit_now)],
      [both("入库", "inflow"), `${flow(r.inflow_now)} m³/s`], [both("出库", "outflow"), `${flow(r.outflow_now)} m³/s`],
      [both("剩余库容", "free storage"), r.free_storage_now == null ? "—" : `${(r.free_storage_now / 1e4).toFixed(0)} 万m³`],
      [both("最高水位", "highest"), `${metres(r.level_highest)}，${beijingText(Date.parse(r.highest_time))}`],
      [both("基面", "datum"), r.datum],
    ];
    const marks = [{ value: r.flood_limit_now, level: "yellow", text: `汛限 ${metres(r.flood_limit_now)}` }, { value: r.crest_level, level: "red", text: `坝顶 ${metres(r.crest_level)}` }].filter((m) => m.value != null);
    this.now.replaceChildren(
      el("dl", { class: "facts-list" }, facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
      r.level_now > r.flood_limit_now ? el("p", { class: "unmet" }, both(`已超汛限 ${(r.level_now - r.flood_limit_now).toFixed(2)} m`, "above the flood limit")) : "",
      el("h3", {}, both("水位 m", "level")), curvesChart(times, [{ values: one.level.values, kind: "" }], { analysis, marks, label: `${r.name_zh} 水位 level` }),
      el("h3", {}, both("入库（实线）与出库（虚线） m³/s", "inflow, outflow (dashed)")),
      curvesChart(times, [{ values: one.inflow.values, kind: "" }, { values: one.outflow.values, kind: "was" }], { analysis, fromZero: true, least: 5, height: 96, label: `${r.name_zh} 入库出库 inflow outflow` }),
    );
    if (this.#answer) this.result.replaceChildren(...outcome(this.#answer, id));
  }

  // -------------------------------------------------------------- the wish

  #form(gauges) {
    this.rows = el("div", {});
    this.held = el("input", { type: "checkbox", checked: true, "data-field": "rules_hold", "aria-label": "规则约束仍然有效 The limits of the rules hold" });
    this.members = el("input", { type: "checkbox", checked: true, "data-field": "members", "aria-label": "用集合成员 Run the members" });
    this.fields = {
      aim: number("aim_level", "目标水位 Level to reach, m", { min: -500 }), hours: number("aim_hours", "用时 within hours", { value: 6, max: 72 }),
      most: number("max_release", "下泄上限 Most release"), least: number("min_release", "下泄下限 Least release"),
      stage: number("max_stage", "测站限制水位 Highest stage", { min: -500 }), safe: number("safe_flow", "安全流量 Safe flow"),
      block: number("block_h", "时段长 Hours a block", { value: 3, min: 1, max: 12 }),
    };
    const options = () => gauges.map((g) => el("option", { value: g.name_zh }, `${g.name_zh} ${g.name_en}`));
    this.limited = el("select", { "data-field": "gauge", "aria-label": "限制水位的测站 Gauge that is limited" }, options());
    this.control = el("select", { "data-field": "control", "aria-label": "控制站 Control gauge" }, options());
    this.title = el("input", { type: "text", maxlength: 60, class: "grow", "data-field": "title", placeholder: "方案名称，填写即保存 title, to keep it", "aria-label": "方案名称 Title of the scenario" });
    this.buttons = [
      el("button", { type: "button", "data-do": "run", onclick: () => this.#run(false) }, both("推演", "Run")),
      el("button", { type: "button", "data-do": "propose", onclick: () => this.#run(true) }, both("优化建议", "Propose")),
    ];
    this.#addRow();
    const f = this.fields;
    return el("form", { onsubmit: (event) => { event.preventDefault(); this.#run(false); } },
      el("fieldset", {}, el("legend", {}, both("泄流计划", "Release schedule")), this.rows,
        el("div", { class: "row" }, el("button", { type: "button", "data-do": "add", onclick: () => this.#addRow() }, both("加一段", "Add")),
          el("label", {}, both("规则的限制仍有效", "limits of the rules hold"), this.held))),
      el("fieldset", {}, el("legend", {}, both("约束", "Constraints")), el("div", { class: "row" },
        labelled(both("控制水位", "hold level"), f.aim, "m"), labelled(both("于几小时内", "within"), f.hours, "h"),
        labelled(both("下泄上限", "most release"), f.most, "m³/s"), labelled(both("下泄下限", "least release"), f.least, "m³/s"),
        labelled(both("测站", "gauge"), this.limited), labelled(both("水位不超过", "stage at most"), f.stage, "m"))),
      el("fieldset", {}, el("legend", {}, both("联合优化", "Joint proposal")), el("div", { class: "row" },
        labelled(both("控制站", "control gauge"), this.control), labelled(both("安全流量", "safe flow"), f.safe, "m³/s"), labelled(both("时段", "block"), f.block, "h"))),
      el("div", { class: "row" }, this.title, el("label", {}, both("用集合成员", "run the members"), this.members)),
      el("div", { class: "row" }, this.buttons),
      this.#comparing());
  }

  #addRow() {
    const last = [...this.rows.children].at(-1)?.querySelector("[data-field=hours]").value;
    const hours = number("hours", "几小时后 Hours from now", { value: last === undefined ? 0 : Number(last) + 3, max: 240 });
    const at = el("small", { "data-part": "clock" });
    hours.addEventListener("input", () => this.#clocks());
    const row = el("div", { class: "row", "data-row": true }, hours, "h", at, number("release", "下泄 Release, m3/s"), "m³/s",
      el("button", { type: "button", "aria-label": "删去 Remove", onclick: () => row.remove() }, "×"));
    this.rows.append(row);
    this.#clocks();
  }

  /** Beijing time of each row beside its hours. */
  #clocks() {
    for (const row of this.rows?.children ?? []) {
      const hours = row.querySelector("[data-field=hours]").valueAsNumber;
      row.querySelector("[data-part=clock]").textContent = Number.isFinite(hours) ? beijingText(this.#start + hours * HOUR) : "—";
    }
  }

  #value(node) {
    if (!node.validity.valid) throw new Wrong(`${node.getAttribute("aria-label")}: ${node.validationMessage}`);
    return node.value === "" ? null : node.valueAsNumber;
  }

  #request(proposing) {
    const f = this.fields, value = (node) => this.#value(node);
    const releases = [...this.rows.children].flatMap((row) => {
      const hours = value(row.querySelector("[data-field=hours]")), m3 = value(row.querySelector("[data-field=release]"));
      return m3 === null ? [] : [{ since: new Date(this.#start + (hours ?? 0) * HOUR).toISOString(), m3_s: m3 }];
    });
    const stage = value(f.stage);
    const limits = {
      max_release_m3_s: value(f.most), min_release_m3_s: value(f.least), aim_level_m: value(f.aim), aim_hours: value(f.hours) ?? 6,
      gauge_limits: stage === null ? [] : [{ gauge: this.limited.value, max_level_m: stage }],
    };
    const limited = stage !== null || [limits.max_release_m3_s, limits.min_release_m3_s, limits.aim_level_m].some((v) => v !== null);
    const safe = value(f.safe);
    if (proposing && !(safe > 0)) throw new Wrong("优化需要控制站的安全流量 Give the safe flow of the control gauge");
    const title = this.title.value.trim();
    return {
      cycle: this.#cycle, members: this.members.checked, save_as: title || null,
      schedules: releases.length ? [{ reservoir: this.#chosen, releases, rules_hold: this.held.checked }] : [],
      constraints: limited ? [{ reservoir: this.#chosen, ...limits }] : [],
      propose: proposing ? { controls: [{ gauge: this.control.value, safe_m3_s: safe }], block_h: value(f.block) ?? 3 } : null,
    };
  }

  async #run(proposing) {
    this.said.replaceChildren();
    let timer = 0;
    try {
      const request = this.#request(proposing), began = Date.now();
      this.buttons.forEach((b) => { b.disabled = true; });
      const tick = () => this.busy.replaceChildren(both(`正在推演…… ${Math.round((Date.now() - began) / 1000)} 秒`, "running"));
      tick();
      timer = setInterval(tick, 1000);
      this.#answer = await postJson(`${API}/dispatch`, request);
      this.#show(outcome(this.#answer, this.#chosen));
      if (this.#answer.scenario) this.#list().catch((error) => this.#refuse(error)); // the buttons do not wait
    } catch (error) {
      this.#refuse(error);
    } finally {
      clearInterval(timer);
      this.busy.replaceChildren();
      this.buttons.forEach((b) => { b.disabled = false; });
    }
  }

  #refuse(error) {
    this.said.replaceChildren(error instanceof Wrong ? error.message : both(refusedZh(error.message, this.#reservoirs), error.message));
    this.said.scrollIntoView({ block: "nearest" });
  }

  #show(nodes) {
    this.result.replaceChildren(...nodes);
    this.result.scrollIntoView({ block: "start" });
  }

  // -------------------------------------------------------------- kept scenarios

  #comparing() {
    this.kept = ["甲 first", "乙 second"].map((name) => el("select", { "aria-label": `方案${name}`, "data-field": `scenario-${name.split(" ")[1]}` }));
    const compare = el("button", { type: "button", "data-do": "compare", onclick: () => this.#compare() }, both("对比", "Compare"));
    this.comparing = el("fieldset", { hidden: true }, el("legend", {}, both("已存方案", "Kept scenarios")), el("div", { class: "row" },
      this.kept.map((node, k) => labelled(["甲", "乙"][k], node)), compare));
    return this.comparing;
  }

  async #list() {
    const { scenarios, unreadable } = await getJson(`${API}/dispatch/scenarios`);
    this.comparing.hidden = !scenarios.length && !unreadable.length;
    this.kept.forEach((node, k) => {
      const held = (scenarios[k] ?? scenarios[0])?.scenario; // the newest two
      node.replaceChildren(...scenarios.map((s) => el("option", { value: s.scenario, selected: s.scenario === held }, `${s.title}　${beijingText(Date.parse(s.made_at))} ${s.scenario}`)));
    });
    if (unreadable.length) this.said.replaceChildren(both(`有 ${unreadable.length} 个方案文件不能读`, unreadable.join(", ")));
  }

  async #compare() {
    this.said.replaceChildren();
    try {
      const [first, second] = await Promise.all(this.kept.map((node) => getJson(`${API}/dispatch/scenarios/${node.value}`)));
      this.#answer = null;
      this.#show(comparison(first, second, this.#chosen));
    } catch (error) {
      this.#refuse(error);
    }
  }
}
