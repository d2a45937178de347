// The side: warnings, one point, gauges, and what the cycle rests on.

import { lineChart, rateChart } from "./charts.js";
import { both, el } from "./dom.js";
import { age, amount, beijingText, flow } from "./format.js";
import { LEVELS } from "./overlay.js";
import { ANSWERED, STATES, degradationZh } from "./words.js";

const ORDER = ["blue", "yellow", "orange", "red"];
const sum = (counts, names) => names.reduce((total, name) => total + (counts[name] ?? 0), 0);
const pairs = (series) =>
  series.times.map((time, k) => ({ time: Date.parse(time), value: series.values[k] }));

/** Worst first, then the newest. */
export function sortWarnings(features) {
  return [...features].sort((a, b) =>
    ORDER.indexOf(b.properties.level) - ORDER.indexOf(a.properties.level) ||
    b.properties.sent.localeCompare(a.properties.sent));
}

export function warningsPanel(features, counties, chosen, choose, failure) {
  if (failure) return [el("p", { class: "note" }, both("预警暂不可用", `Warnings: ${failure}`))];
  if (!features.length) {
    return [el("p", { class: "note" }, both("本周期没有有效预警。", "No warning is in force at this cycle."))];
  }
  const heading = el("h2", {}, both(`有效预警 ${features.length} 条`, `${features.length} in force`));
  return [heading, ...features.map((feature) => warningCard(feature, counties, chosen, choose))];
}

function warningCard(feature, counties, chosen, choose) {
  const p = feature.properties;
  const county = counties.get(p.county) ?? { name_zh: p.county, name_en: "" };
  const people = Object.values(p.answers).reduce((a, b) => a + b, 0) - (p.answers.CLOSED ?? 0);
  const cells = Object.keys(p.cells).length;
  const words = p.areas[0] ?? {};
  return el(
    "button",
    {
      type: "button", class: "card", colour: LEVELS[p.level], "data-id": feature.id,
      "aria-pressed": String(feature.id === chosen), onclick: () => choose(feature),
    },
    el("span", { class: `tag ${p.level}` }, `${p.hazard_zh}${p.level_zh}`), " ",
    el("b", {}, `${county.name_zh}${p.place_zh ? ` ${p.place_zh}` : ""}`), " ",
    el("small", {}, `${p.place_en ? `${p.place_en}, ` : ""}${county.name_en} ${p.level}`),
    el("div", {}, both(`${p.action_zh}　${beijingText(Date.parse(p.sent))} 至 ${beijingText(Date.parse(p.expires))}`, "valid, UTC+8")),
    // Of a river, what comes when and how high is not to be seen on the map; of torrents, gales and heat neither.
    p.place || p.hazard !== "rainstorm" ? el("div", {}, words.description_zh ?? "", el("div", { class: "en" }, words.description_en ?? "")) : "",
    el("div", {}, words.instruction_zh ?? "", el("div", { class: "en" }, words.instruction_en ?? "")),
    el("div", { class: "counts" },
      el("span", {}, both(`${cells} 个网格`, "cells")),
      el("span", {}, both(`应知 ${people} 人`, "to be told")),
      el("span", {}, both(`本次新送达 ${p.deliveries.SENT ?? 0}`, "sent anew")),
      el("span", {}, both(`累计答复 ${sum(p.answers, ANSWERED)}`, "answered in all"))),
  );
}

export function pointPanel(point, hydrograph, cursor, asked) {
  if (!point && asked) return [el("p", { class: "note" }, both("正在查询……", "asking"))];
  if (!point) {
    return [el("p", { class: "note" }, both("点击地图查询一点。", "Click the map to ask about a place."))];
  }
  const analysis = Date.parse(point.time);
  const observed = pairs(point.observed), forecast = pairs(point.forecast);
  const place = point.county
    ? both(point.county.name_zh, point.county.name_en)
    : both("市域外", "outside the city");
  const level = LEVELS[point.warning_level];
  const quality = point.quality == null ? "—" : point.quality.toFixed(2);
  const rows = [
    [both("位置", "WGS-84"), `${point.centre.lon.toFixed(3)}°E ${point.centre.lat.toFixed(3)}°N`],
    [both("网格", "cell"), String(point.cell_id)],
    [both("质量", "quality"), quality],
    [both("状态", "state"), point.state ? `${point.state_zh} ${point.state}` : "—"],
    [both("资料时效", "age"), point.age_s == null ? "—" : age(point.age_s).zh],
    [both("预警等级", "level"), level
      ? el("span", { class: `tag ${point.warning_level}`, colour: level }, `${point.warning_level_zh} ${point.warning_level}`)
      : `${point.warning_level_zh} ${point.warning_level}`],
  ];
  if (point.warning_onset) rows.push([both("达到时间", "reached"), beijingText(Date.parse(point.warning_onset))]);
  return [
    el("h2", {}, place),
    el("dl", { class: "facts-list" }, rows.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    el("h3", {}, both("雨强 mm/h：绿 实况，蓝 预报", "rain rate: green observed, blue forecast")),
    rateChart(observed, forecast, analysis, cursor, "雨强过程 Rain rate"),
    ...point.windows.flatMap((window) => windowChart(window, forecast, analysis, cursor)),
    ...hydrographPart(hydrograph, cursor),
  ];
}

function windowChart(window, forecast, analysis, cursor) {
  const points = forecast.map(({ time }, k) => ({ time, value: window.values[k] }));
  const now = amount(window.values[0]), peak = amount(Math.max(...window.values.map((v) => v ?? 0)));
  const part = window.observed_fraction ?? 0;
  const bound = part < 0.95
    ? el("span", { class: "note" }, both(`　实况只知 ${Math.round(part * 100)}%，为下限`, "lower bound")) : null;
  return [
    el("h3", {}, both(`${window.hours}小时雨量 mm：现在 ${now}，最大 ${peak}`, `${window.hours} h rain: now, peak`), bound),
    lineChart(points, {
      analysis, cursor, label: `${window.hours}小时雨量 ${window.hours} h rain`, height: 72, least: 5,
      thresholds: window.thresholds.map((t) => ({ value: t.mm, level: t.level, text: `${t.level_zh} ${t.mm}` })),
    }),
  ];
}

function hydrographPart(hydrograph, cursor) {
  if (!hydrograph) return [];
  const { gauge } = hydrograph;
  const analysis = Date.parse(hydrograph.time);
  const recent = (series) => (series ? pairs(series).filter((p) => p.time > analysis - 6 * 3600e3) : []);
  const band = (lower, upper) => (lower && upper ? { lower: pairs(lower), upper: pairs(upper) } : null);
  const flows = recent(hydrograph.observed_discharge), levels = recent(hydrograph.observed_water_level);
  const parts = [
    el("h3", {}, both(`${hydrograph.near ? "最近测站 " : ""}${gauge.name_zh} 流量 m³/s：现在 ${flow(gauge.discharge_now)}，洪峰 ${flow(gauge.discharge_peak)}`, `${gauge.name_en}: flow now, peak`)),
    lineChart(pairs(hydrograph.discharge), {
      analysis, cursor, height: 110, label: `${gauge.name_zh} 流量过程 hydrograph`,
      observed: flows, band: band(hydrograph.discharge_lower, hydrograph.discharge_upper),
    }),
  ];
  if (gauge.observed_at) {
    parts.push(el("p", { class: "note" }, both(
      `圆点为实测，最新 ${beijingText(Date.parse(gauge.observed_at))}：流量 ${flow(gauge.discharge_observed)}，水位 ${flow(gauge.level_observed)} m；浅色带为90%区间。`,
      "dots: reports; band: 90 % interval")));
  }
  const marks = [["warning_level", "yellow", "警戒"], ["guarantee_level", "red", "保证"]]
    .filter(([name]) => gauge[name] != null)
    .map(([name, level, zh]) => ({ value: gauge[name], level, text: `${zh} ${gauge[name]}` }));
  if (hydrograph.level && (marks.length || levels.length)) {
    parts.push(
      el("h3", {}, both(`水位 m：现在 ${flow(gauge.level_now)}`, "water level, 1985 datum")),
      lineChart(pairs(hydrograph.level), {
        analysis, cursor, height: 96, thresholds: marks, label: `${gauge.name_zh} 水位 water level`,
        observed: levels, band: band(hydrograph.level_lower, hydrograph.level_upper),
      }),
    );
  }
  if (hydrograph.terrain_generated) parts.push(terrainNote(hydrograph.terrain_source));
  return parts;
}

function terrainNote(source) {
  return el("p", { class: "note" }, both("流量基于生成的地形，不可用于决策。", `Flows rest on generated terrain: ${source}`));
}

export function gaugesPanel(answer, choose) {
  if (!answer) {
    return [el("p", { class: "note" }, both("本周期没有流量产品。", "This cycle has no flows."))];
  }
  const rows = answer.gauges.map((gauge, k) =>
    el("tr", { title: gauge.river },
      el("td", {}, el("button", { type: "button", "data-gauge": gauge.id, onclick: () => choose(answer.gauges[k]) }, both(gauge.name_zh, gauge.name_en))),
      el("td", { class: "n" }, flow(gauge.discharge_now)),
      el("td", { class: "n" }, flow(gauge.discharge_peak)),
      el("td", { class: "n" }, gauge.peak_time ? beijingText(Date.parse(gauge.peak_time)) : "—")));
  const head = ["测站 Gauge", "现在 now m³/s", "洪峰 peak", "峰现 at"].map((t) => el("th", { scope: "col" }, t));
  return [
    el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)),
    answer.terrain_generated
      ? terrainNote(answer.terrain_source)
      : el("p", { class: "note" }, both("地形来源", "terrain"), ` ${answer.terrain_source}`),
  ];
}

export function gaugePanel(hydrograph, cursor, back) {
  return [
    el("button", { type: "button", onclick: back }, both("‹ 全部测站", "all gauges")),
    ...hydrographPart(hydrograph, cursor),
  ];
}

/** The run of a numerical model that a cycle was blended with; nothing where none is configured. */
function modelPart(model) {
  if (!model) return [];
  const head = el("h2", {}, both("数值模式", "numerical model"));
  if (!model.file) return [head, el("p", { class: "note" }, both("没有可用的起报，只用外推。", "No usable run: the nowcast alone."))];
  const shares = Object.entries(model.share_by_lead_min ?? {}).filter(([minutes]) => minutes % 60 === 0);
  return [
    head,
    el("p", {}, model.file, el("div", { class: "en" }, `${model.reference_time}, ${model.age_h} h, until ${model.until}`)),
    el("p", {}, both("各时效所占份额", "share by lead"), ` ${shares.map(([m, share]) => `+${m / 60} h ${Math.round(100 * share)}%`).join(" · ") || "—"}`),
  ];
}

export function notesPanel(manifest) {
  if (!manifest) return [];
  const inputs = manifest.inputs ?? {};
  const list = (items) => el("ul", {}, items.map((item) => el("li", {}, item)));
  const degradations = manifest.degradations ?? [];
  const refused = inputs.refused ?? [];
  return [
    el("h2", {}, both(`降级 ${degradations.length}`, "degradations")),
    degradations.length
      ? list(degradations.map((text) => [degradationZh(text), el("div", { class: "en" }, text)]).flatMap((x) => [el("div", {}, x)]))
      : el("p", { class: "note" }, both("没有。", "None.")),
    el("h2", {}, both(`使用的雷达 ${(inputs.radars ?? []).length}`, "radars used")),
    el("p", {}, (inputs.radars ?? []).join("  ") || "—"),
    ...modelPart(manifest.model),
    el("h2", {}, both(`拒收 ${refused.length}`, "inputs refused")),
    refused.length
      ? list(refused.map((r) => el("div", {}, r.file, el("div", { class: "en" }, r.cause))))
      : el("p", { class: "note" }, both("没有。", "None.")),
    el("h2", {}, both("状态图例", "what values rest on")),
    el("p", { class: "note" }, Object.entries(STATES).map(([en, zh]) => `${zh} ${en}`).join(" · ")),
    el("h2", {}, both("用时", "seconds")),
    el("p", {}, Object.entries(manifest.seconds ?? {}).map(([k, v]) => `${k} ${typeof v === "number" ? v.toFixed(1) : v}`).join(" · ")),
  ];
}
