// What came of a what-if: pool and river as asked, against the run as is or another scenario.

import { curvesChart } from "./charts.js";
import { bindingZh } from "./dispatch_words.js";
import { both, el } from "./dom.js";
import { beijingText, flow } from "./format.js";
import { degradationZh } from "./words.js";

const SAME = 0.005; // of its peak: a gauge whose flow changes less is not drawn
const level = (v) => (v == null ? "—" : v.toFixed(2));
const volume = (v) => (v == null ? "—" : (v / 1e4).toFixed(0));
const spread = (quantiles, kind, banded) => ({ values: quantiles.median, kind, ...(banded ? { low: quantiles.low, high: quantiles.high } : {}) });
const find = (list, id) => list.find((one) => one.id === id);

/** Two sides of a comparison: what is drawn dashed or second, and what is drawn first. */
const SIDES = {
  was: { level: "level_before_spread_m", outflow: "outflow_before_spread_m3_s", river: "discharge_before_spread_m3_s", stage: "level_before_spread_m" },
  now: { level: "level_m", outflow: "outflow_m3_s", river: "discharge_m3_s", stage: "level_m" },
};

/** How one answer went, against the run under the rules alone. */
export function outcome(answer, reservoir) {
  const side = (names, kind) => ({ answer, names, kind });
  return [
    el("p", { class: "note" }, told(answer)),
    ...unmet(answer),
    ...proposal(answer),
    el("p", {}, el("span", { class: "key" }, both("按方案", "as asked")), el("span", { class: "key was" }, both("按规则", "as is"))),
    ...drawn(side(SIDES.now, ""), side(SIDES.was, "was"), reservoir),
    ...ruled(answer, reservoir),
    ...answer.degradations.map((text) => el("p", { class: "note" }, both(degradationZh(text), text))),
  ];
}

/** Two scenarios, each as asked. */
export function comparison(first, second, reservoir) {
  const side = (one, kind) => ({ answer: one.answer, names: SIDES.now, kind });
  const label = (one, mark) => `${mark} ${one.note.title}（${beijingText(Date.parse(one.answer.time))} 周期）`;
  const others = first.note.cycle === second.note.cycle ? [] : [el("p", { class: "unmet" }, both("两方案出自不同周期，雨情不同。", "They start from different cycles."))];
  return [
    el("p", {}, el("span", { class: "key" }, label(first, "甲")), el("span", { class: "key second" }, label(second, "乙"))),
    ...others,
    ...drawn(side(first, ""), side(second, "second"), reservoir),
  ];
}

function told(answer) {
  const zh = answer.members ? `${answer.members} 个集合成员，线为中位数，带为 10% 至 90%` : "只有确定性预报，没有集合成员";
  const en = answer.members ? `${answer.members} members, median and 10-90 %` : "the deterministic forecast alone";
  const kept = answer.scenario ? `；已存为 ${answer.scenario}` : "";
  return both(`${beijingText(Date.parse(answer.time))} 周期；${zh}；用时 ${answer.seconds.toFixed(1)} 秒${kept}。`, `${en}${answer.terrain_generated ? "; generated terrain, not for decisions" : ""}`);
}

function unmet(answer) {
  if (!answer.unmet.length) return [];
  const rows = answer.unmet.map((one) => el("li", {}, both(
    `${find(answer.reservoirs, one.reservoir)?.name_zh ?? one.reservoir} ${beijingText(Date.parse(one.since))} 至 ${beijingText(Date.parse(one.until))}：要求 ${flow(one.asked_m3_s)}，实际 ${flow(one.released_m3_s)} m³/s，受制于 ${answer.rule_names[one.rule] ?? one.rule}`,
    one.rule)));
  return [el("div", { class: "unmet", role: "status" }, el("b", {}, both("泄流计划未能照办", "The schedule could not be followed")), el("ul", {}, rows))];
}

function proposal(answer) {
  if (!answer.proposal) return [];
  const percent = (share) => `${(100 * share).toFixed(0)}%`;
  const { share_before: before, simulated_share: after } = answer.proposal;
  const tables = answer.proposal.reservoirs.map((one) => {
    const rows = one.releases.times.map((time, k) => el("tr", {},
      el("td", {}, beijingText(Date.parse(time))), el("td", { class: "n" }, flow(one.releases.values[k])),
      el("td", {}, one.binding[k].map(bindingZh).join("、") || "—")));
    const head = ["起 from", "下泄 m³/s", "受制于 bound by"].map((t) => el("th", { scope: "col" }, t));
    const over = one.over_m3 > 0 ? [el("p", { class: "unmet" }, both(`仍超最高库容 ${volume(one.over_m3)} 万m³`, "above the highest level in spite of the plan"))] : [];
    return [el("h3", {}, `${find(answer.reservoirs, one.reservoir)?.name_zh ?? one.reservoir}`), el("table", { "data-plan": one.reservoir }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)), ...over];
  });
  return [
    el("h2", {}, both(`优化建议：控制站最大流量为安全流量的 ${percent(after)}，按规则 ${percent(before)}`, "proposal: peak over safe flow, against the rules")),
    ...tables.flat(),
  ];
}

function drawn(now, was, id) {
  const times = now.answer.times.map((t) => Date.parse(t));
  const a = find(now.answer.reservoirs, id), b = find(was.answer.reservoirs, id);
  if (!a || !b) return [el("p", { class: "note" }, both("方案中没有该水库。", "No such reservoir in it."))];
  const analysis = Date.parse(now.answer.time), banded = now.answer.members > 0;
  const aligned = (list, from) => { // of another cycle: at the times of the first
    const of = new Map(from.times.map((t, k) => [Date.parse(t), list[k]]));
    return times.map((t) => of.get(t) ?? null);
  };
  const curve = (quantiles, side) => {
    const found = spread(quantiles, side.kind, banded && side.answer.members > 0);
    for (const name of ["values", "low", "high"]) if (found[name]) found[name] = aligned(found[name], side.answer);
    return found;
  };
  const pair = (name) => [curve(b[was.names[name]], was), curve(a[now.names[name]], now)];
  const marks = [{ value: a.flood_limit_m, level: "yellow", text: `汛限 ${level(a.flood_limit_m)}` }, { value: a.crest_level_m, level: "red", text: `坝顶 ${level(a.crest_level_m)}` }].filter((m) => m.value != null);
  const top = (side, one) => (side.names === SIDES.was ? one.highest_before_m : one.highest_m);
  const stored = (side, one) => Math.min(...(side.names === SIDES.was ? one.free_storage_before_m3 : one.free_storage_m3.median));
  return [
    el("h3", {}, both(`${a.name_zh} 水位 m：最高 ${level(top(now, a))}，对比 ${level(top(was, b))}`, "level, highest of each")),
    curvesChart(times, pair("level"), { analysis, marks, label: `${a.name_zh} 水位 level` }),
    el("h3", {}, both("出库 m³/s", "outflow")),
    curvesChart(times, pair("outflow"), { analysis, fromZero: true, least: 5, height: 96, label: `${a.name_zh} 出库 outflow` }),
    el("p", { class: "note" }, both(`最小剩余库容 ${volume(stored(now, a))}，对比 ${volume(stored(was, b))} 万m³`, "least free storage, 10⁴ m³")),
    ...downstream(now, was, times, analysis, curve),
  ];
}

/** Gauges whose flow differs, those that differ most first. */
function downstream(now, was, times, analysis, curve) {
  const peak = (side, one) => (side.names === SIDES.was ? one.peak_before_m3_s : one.peak_m3_s);
  const differs = (x, y) => Math.max(...x.map((v, k) => Math.abs((v ?? 0) - (y[k] ?? 0))));
  const found = now.answer.gauges.map((one) => {
    const other = find(was.answer.gauges, one.id);
    const by = other ? differs(one[now.names.river].median, other[was.names.river].median) : 0;
    return { one, other, by };
  }).filter(({ one, by }) => by > Math.max(1, SAME * one.peak_m3_s)).sort((x, y) => y.by - x.by);
  if (!found.length) return [el("p", { class: "note" }, both("下游各站流量没有变化。", "No gauge downstream changes."))];
  const rows = found.map(({ one, other }) => {
    const change = peak(now, one) - peak(was, other);
    return el("tr", {}, el("td", {}, both(one.name_zh, one.name_en)), el("td", { class: "n" }, flow(peak(was, other))),
      el("td", { class: "n" }, flow(peak(now, one))), el("td", { class: "n" }, `${change > 0 ? "+" : "−"}${flow(Math.abs(change))}`));
  });
  const head = ["下游测站 Gauge", was.kind === "was" ? "按规则 as is" : "乙 second", was.kind === "was" ? "按方案 asked" : "甲 first", "差 change"].map((t) => el("th", { scope: "col" }, t));
  const charts = found.slice(0, 3).flatMap(({ one, other }) => [
    el("h3", {}, both(`${one.name_zh} 水位 m`, `${one.name_en} stage`)),
    curvesChart(times, [curve(other[was.names.stage], was), curve(one[now.names.stage], now)], { analysis, height: 96, label: `${one.name_zh} 水位 stage` }),
  ]);
  return [
    el("h3", {}, both("洪峰流量 m³/s", "peak flow, of the median")),
    el("table", { "data-table": "gauges" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)), ...charts,
  ];
}

/** What set the release, from when on. */
function ruled(answer, id) {
  const one = find(answer.reservoirs, id);
  const changes = one.rule.flatMap((rule, k) => (k && rule === one.rule[k - 1] ? [] : [[answer.times[k], rule]]));
  const rows = changes.slice(0, 12).map(([time, rule]) => el("li", {}, `${beijingText(Date.parse(time))} ${answer.rule_names[rule] ?? rule}`));
  const more = changes.length > rows.length ? [el("li", {}, both(`另有 ${changes.length - rows.length} 次变化`, "more changes"))] : [];
  return [el("h3", {}, both("下泄由何规则决定（确定性预报）", "what set the release")), el("ul", { "data-list": "rules" }, rows, more)];
}
