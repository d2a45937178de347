// Status line, banners, legend and readout: small pieces of the page drawn from what is known.

import { both, byId, el } from "./dom.js";
import { age, amount, beijing, lead, unitText, utc } from "./format.js";
import { MARKS, tile } from "./field.js";
import { cellAt, lonLat, outlineAt } from "./geo.js";
import { STATES, STATUS } from "./words.js";

const COLUMN_SCALES = ["reflectivity", "echo_top", "liquid"];
const OLD_S = 20 * 60; // three cycles and a little: then the newest is old

export function drawStatus({ index, manifest, map, serverNow, openNotes }) {
  const analysis = Date.parse(index.time);
  const old = age((serverNow - analysis) / 1000);
  byId("city").replaceChildren(both(map.city_zh, map.city_en));
  const late = (serverNow - analysis) / 1000 > OLD_S;
  const b = beijing(analysis), u = utc(analysis);
  byId("clock").replaceChildren(
    both("分析时刻", "Analysis"), " ", el("b", {}, `${b.date} ${b.clock}`), " ",
    el("small", {}, `北京时 UTC+8 · ${u.day} ${u.clock} UTC`), "　",
    el("span", { class: late ? "old" : "" }, both(`距今 ${old.zh}`, `${old.en} ago`)),
  );
  const inputs = manifest?.inputs ?? {};
  const refused = (inputs.refused ?? []).length, degraded = (manifest?.degradations ?? []).length;
  byId("facts").replaceChildren(
    el("span", { class: "fact" }, both(`雷达 ${(inputs.radars ?? []).length}`, "radars")),
    el("span", { class: `fact${refused ? " bad" : ""}` }, both(`拒收 ${refused}`, "refused")),
    el("button", { type: "button", class: degraded ? "bad" : "", onclick: openNotes },
      both(`降级 ${degraded}`, "degraded")),
  );
}

export function drawBanners({ status, gauges, newestTime, serverNow, pinned }) {
  const banners = [];
  const drill = STATUS[status];
  if (drill) banners.push(["exercise", drill.zh, drill.en]);
  const old = (serverNow - newestTime) / 1000;
  if (old > OLD_S) {
    const words = age(old);
    banners.push(["old", `最新周期已过去 ${words.zh}，资料可能过时`, `the newest cycle is ${words.en} old`]);
  }
  if (pinned) banners.push(["exercise", "回看历史周期", "looking back at an earlier cycle"]);
  if (gauges?.terrain_generated) {
    banners.push(["terrain", "河流流量基于生成的地形，不是真实地形", "flows rest on generated terrain"]);
  }
  const box = byId("banners");
  const text = JSON.stringify(banners);
  if (box.dataset.text === text) return;
  box.dataset.text = text;
  box.replaceChildren(...banners.map(([kind, zh, en]) => el("div", { class: `banner ${kind}` }, both(zh, en))));
}

export function drawLegend(layer, scale) {
  const unit = unitText(scale.unit);
  const numbers = scale.breaks.every((b) => b.zh === b.en);
  const swatches = scale.breaks
    .filter((b) => b.colour)
    .map((b) => el("span", { colour: b.colour }, numbers ? `≥${b.zh}` : both(b.zh, b.en)));
  const marks = Object.keys(MARKS).filter((mark) => scale.marks.includes(mark));
  const samples = marks.map((mark) => {
    const canvas = el("canvas", { width: 24, height: 13 });
    const c = canvas.getContext("2d");
    c.fillStyle = mark === "stale" || mark === "filled" ? "#3dba3d" : "#0e1a22";
    c.fillRect(0, 0, 24, 13);
    c.fillStyle = c.createPattern(tile(mark), "repeat");
    c.fillRect(0, 0, 24, 13);
    return el("span", {}, canvas, both(MARKS[mark].zh, MARKS[mark].en));
  });
  byId("legend").replaceChildren(
    el("div", {}, both(`${layer.name_zh}${unit ? ` ${unit}` : ""}`, layer.name_en)),
    el("div", { class: "bar" }, swatches),
    ...(samples.length ? [el("div", { class: "marks" }, samples)] : []),
  );
}

export function drawValid({ time, analysis, layer, has, fraction }) {
  const minutes = Math.round((time - analysis) / 60000);
  const forecast = minutes > 0;
  const t = beijing(time);
  const fixed = layer.frames.length === 1;
  const shown = fixed ? beijing(analysis) : t;
  const kind = fixed ? ["分析时刻", "at analysis", "observed"]
    : forecast ? ["预报", "forecast", "forecast"] : ["实况", "observed", "observed"];
  const lines = [
    el("div", {}, both(layer.name_zh, layer.name_en)),
    el("div", {}, el("b", {}, `${shown.day} ${shown.clock}`), " ", el("small", {}, `${utc(fixed ? analysis : time).clock} UTC`)),
    el("div", { class: kind[2] }, both(`${kind[0]} ${fixed ? "" : lead(minutes)}`, kind[1])),
  ];
  if (!has) lines.push(el("div", { class: "old" }, both("此时刻没有这一图层", "no frame of this layer at this time")));
  if (fraction != null && fraction < 0.95) {
    lines.push(el("div", { class: "old" }, both(`时窗内已知 ${Math.round(fraction * 100)}%：下限`, "lower bound")));
  }
  byId("valid").replaceChildren(...lines);
}

/** Value, unit, quality, state, cell, place and county under the cursor. */
export function drawReadout({ map, x, y, found, layer, scale, quality, stateCode, gauges }) {
  const box = byId("readout");
  const cell = cellAt(map.grid, x, y);
  if (!cell) {
    box.replaceChildren(el("span", { class: "en" }, "域外 outside the domain"));
    return;
  }
  const place = lonLat(map, x, y);
  const county = outlineAt(map.outlines, x, y);
  box.replaceChildren(
    el("div", {}, el("b", {}, valueText(found, layer, scale))),
    el("div", {}, both(`质量 ${quality == null ? "—" : quality.toFixed(2)}`, "quality"), "　",
      both(STATES[stateCode] ?? "—", stateCode ?? "")),
    el("div", {}, `${place.lon.toFixed(4)}°E ${place.lat.toFixed(4)}°N`),
    el("div", {}, county ? both(county.name_zh, county.name_en) : "—", "　", both(`网格 ${cell.id}`, "cell")),
    ...(gauges ?? []).map((g) => el("div", {}, both(`▼ ${g.name_zh}`, g.name_en))),
  );
}

function valueText(found, layer, scale) {
  if (!found) return "—";
  const { value, mark } = found;
  if (mark === "missing" || mark === "blocked") return `${MARKS[mark].zh} ${MARKS[mark].en}`;
  if (value == null) return "—";
  if (layer.scale === "state" || layer.scale === "warning") {
    const kind = scale.breaks[value];
    return `${kind.zh} ${kind.en}`;
  }
  if (layer.scale === "quality") return value.toFixed(2);
  const rest = mark ? `（${MARKS[mark].zh} ${MARKS[mark].en}）` : "";
  if (value === 0 && COLUMN_SCALES.includes(layer.scale)) return `无回波 no echo（< ${scale.breaks[0].lower} ${unitText(layer.unit)}）${rest}`;
  if (value === 0 && layer.scale === "probability") return `< ${scale.breaks[0].lower} %${rest}`;
  if (value === 0) return `无雨 dry${rest}`;
  return `≈ ${amount(value)} ${unitText(layer.unit)}${rest}`;
}

export function drawClockAge(serverNow, analysis) {
  const part = byId("clock").lastElementChild;
  if (!part) return;
  const seconds = (serverNow - analysis) / 1000;
  const words = age(seconds);
  part.className = seconds > OLD_S ? "old" : "";
  part.replaceChildren(both(`距今 ${words.zh}`, `${words.en} ago`));
}

