// Small charts as SVG: bars of rain, lines of amounts and flows, with the seam and thresholds.

import { svg } from "./dom.js";
import { beijing } from "./format.js";
import { LEVELS } from "./overlay.js";

const W = 340, LEFT = 34, RIGHT = 8, TOP = 8, BOTTOM = 16;

/** Axes of a chart: times along, `bottom` to `top` up. */
export function frame(height, times, top, label, bottom = 0) {
  const x = (t) => {
    const first = times[0], last = times[times.length - 1];
    return LEFT + ((t - first) / Math.max(1, last - first)) * (W - LEFT - RIGHT);
  };
  const y = (v) => TOP + (1 - (Math.min(v, top) - bottom) / (top - bottom)) * (height - TOP - BOTTOM);
  const node = svg("svg", { viewBox: `0 0 ${W} ${height}`, class: "chart", role: "img", "aria-label": label });
  for (const v of [bottom, (bottom + top) / 2, top]) {
    node.append(
      svg("line", { class: "axis", x1: LEFT, x2: W - RIGHT, y1: y(v), y2: y(v) }),
      svg("text", { x: LEFT - 4, y: y(v) + 4, "text-anchor": "end" }, v >= 10 && (!bottom || top - bottom >= 10) ? v.toFixed(0) : String(+v.toFixed(1))),
    );
  }
  const span = times[times.length - 1] - times[0];
  const every = span > 10 * 3600e3 ? 6 * 3600e3 : span > 5 * 3600e3 ? 3600e3 : 1800e3;
  const offset = 8 * 3600e3; // whole hours of Beijing
  for (let t = Math.ceil((times[0] + offset) / every) * every - offset; t <= times[times.length - 1]; t += every) {
    const anchor = x(t) > W - RIGHT - 14 ? "end" : "middle";
    node.append(svg("text", { x: x(t) + (anchor === "end" ? RIGHT : 0), y: height - 3, "text-anchor": anchor }, beijing(t).clock));
  }
  return { node, x, y };
}

/** Round number above a value. */
export function roundUp(value, least) {
  const v = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(v));
  return [1, 1.5, 2, 3, 4, 6, 8, 10].find((m) => m * power >= v * 0.999) * power;
}

function vertical(chart, time, kind, height) {
  const x = chart.x(time);
  chart.node.append(svg("line", { class: kind, x1: x, x2: x, y1: TOP, y2: height - BOTTOM }));
}

/** Rain rates: observed and forecast bars. */
export function rateChart(observed, forecast, analysis, cursor, label) {
  const height = 132;
  const points = [
    ...observed.map((p) => ({ ...p, kind: "observed" })),
    ...forecast.filter((p) => p.time > analysis).map((p) => ({ ...p, kind: "forecast" })),
  ];
  const times = points.map((p) => p.time);
  const top = roundUp(Math.max(...points.map((p) => p.value ?? 0)) * 1.02, 2);
  const chart = frame(height, times, top, label);
  const width = Math.max(2, (W - LEFT - RIGHT) / points.length - 1.5);
  for (const { time, value, kind } of points) {
    if (value == null || value <= 0) continue;
    const y = chart.y(value);
    chart.node.append(svg("rect", {
      class: kind, x: chart.x(time) - width / 2, y, width, height: Math.max(0.8, height - BOTTOM - y),
    }));
  }
  vertical(chart, analysis, "now", height);
  if (cursor >= times[0]) vertical(chart, cursor, "cursor", height);
  return chart.node;
}

/** A line over time, with levels of thresholds where there are any. */
export function lineChart(points, { analysis, cursor, thresholds = [], observed = [], band = null, height = 84, least = 1, label }) {
  const told = observed.filter((p) => p.value != null && p.time <= analysis);
  const values = [...points, ...told, ...(band?.upper ?? [])].map((p) => p.value ?? 0);
  const reached = thresholds.map((t) => t.value);
  const lowest = reached.length ? Math.min(...reached) : 0;
  const top = roundUp(Math.max(...values, lowest) * 1.05, least);
  const chart = frame(height, [...told, ...points].map((p) => p.time), top, label);
  if (band) {
    const side = (list) => list.filter((p) => p.value != null).map((p) => `${chart.x(p.time).toFixed(1)} ${chart.y(p.value).toFixed(1)}`);
    const around = [...side(band.upper), ...side(band.lower).reverse()];
    if (around.length) chart.node.append(svg("path", { class: "band", d: `M${around.join("L")}Z` }));
  }
  for (const { value, level, text } of thresholds) {
    if (value > top) continue;
    const y = chart.y(value);
    const line = svg("line", { class: "threshold", x1: LEFT, x2: W - RIGHT, y1: y, y2: y });
    line.style.stroke = LEVELS[level];
    chart.node.append(line, svg("text", { x: W - RIGHT - 2, y: y - 2, "text-anchor": "end" }, text));
  }
  let path = "", pen = "M";
  for (const { time, value } of points) {
    if (value == null) { pen = "M"; continue; }
    path += `${pen}${chart.x(time).toFixed(1)} ${chart.y(value).toFixed(1)}`;
    pen = "L";
  }
  chart.node.append(svg("path", { class: "line", d: path || "M0 0" }));
  for (const { time, value } of told) {
    chart.node.append(svg("circle", { class: "report", cx: chart.x(time), cy: chart.y(value), r: 1.8 }));
  }
  vertical(chart, analysis, "now", height);
  if (cursor >= points[0].time) vertical(chart, cursor, "cursor", height);
  return chart.node;
}

const runs = (times, values) => times.map((time, k) => ({ time, value: values[k] })).filter((p) => p.value != null);

/** Several curves of the same times, each with a band where it has one; levels do not begin at 0.
 *  Of `marks` those are drawn that the curves come near to. */
export function curvesChart(times, curves, { analysis, marks = [], height = 118, fromZero = false, least = 1, label }) {
  const all = curves.flatMap((c) => [...c.values, ...(c.low ?? []), ...(c.high ?? [])]).filter((v) => v != null);
  const low = Math.min(...all), high = Math.max(...all), span = Math.max(high - low, least);
  const near = marks.filter((m) => m.value > low - span && m.value < high + span);
  const reached = near.map((m) => m.value);
  const bottom = fromZero ? 0 : Math.floor(Math.min(low, ...reached) * 2) / 2;
  const top = fromZero ? roundUp(Math.max(high, ...reached) * 1.05, least) : Math.max(Math.ceil(Math.max(high, ...reached) * 2 + 0.4) / 2, bottom + least);
  const chart = frame(height, times, top, label, bottom);
  const place = (p) => `${chart.x(p.time).toFixed(1)} ${chart.y(p.value).toFixed(1)}`;
  for (const { low: lower, high: upper, kind } of curves) {
    if (!lower) continue;
    const around = [...runs(times, upper).map(place), ...runs(times, lower).map(place).reverse()];
    if (around.length) chart.node.append(svg("path", { class: `band ${kind}`, d: `M${around.join("L")}Z` }));
  }
  for (const { value, level, text } of near) {
    const line = svg("line", { class: "threshold", x1: LEFT, x2: W - RIGHT, y1: chart.y(value), y2: chart.y(value) });
    line.style.stroke = LEVELS[level];
    chart.node.append(line, svg("text", { x: W - RIGHT - 2, y: chart.y(value) - 2, "text-anchor": "end" }, text));
  }
  for (const { values, kind } of curves) {
    chart.node.append(svg("path", { class: `line ${kind}`, d: `M${runs(times, values).map(place).join("L")}` }));
  }
  if (analysis >= times[0]) vertical(chart, analysis, "now", height);
  return chart.node;
}
