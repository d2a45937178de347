// Storm cells: where they are, where they came from, where they will be; and their list.

import { both, el } from "./dom.js";
import { amount, beijingText } from "./format.js";
import { planeOf } from "./geo.js";

const INK = "#ff6df2", DARK = "rgba(10, 2, 12, .85)";
const WINDS = ["北", "东北", "东", "东南", "南", "西南", "西", "西北"];
const WINDS_EN = ["N", "NE", "E", "SE", "S", "SW", "W", "NW"];
const MOVES_M_S = 1;

/** Cells of the service's answer with their places in the plane of the grid, heaviest first. */
export function readCells(answer, map) {
  const paths = new Map(answer.features.filter((f) => f.properties.kind === "path")
    .map((f) => [f.properties.cell, f.geometry.coordinates.map(([lon, lat]) => planeOf(map, lon, lat))]));
  return answer.features.filter((f) => f.properties.kind === "cell").map(({ properties: p, geometry }) => ({
    ...p,
    at: planeOf(map, ...geometry.coordinates),
    path: paths.get(p.cell) ?? [],
    ahead: p.forecast.map((f) => ({ ...f, at: planeOf(map, f.lon, f.lat) })),
  })).sort((a, b) => b.max_mm_h - a.max_mm_h);
}

/** Draw in metres; `px` is a pixel in metres. */
export function drawCells(c, cells, chosen, px) {
  for (const cell of cells) {
    const own = cell.cell === chosen;
    stroke(c, own ? 3 : 1.8, px, () => ellipse(c, cell));
    if (cell.path.length > 1) stroke(c, 1.2, px, () => line(c, cell.path));
    const far = cell.ahead.at(-1);
    if (!far || (cell.speed_m_s ?? 0) < MOVES_M_S) continue;
    stroke(c, own ? 2.4 : 1.6, px, () => arrow(c, cell.at, far.at, 7 * px));
    if (!own) continue;
    c.setLineDash([5 * px, 4 * px]);
    for (const { at: [x, y], radius_km: r } of cell.ahead) {
      stroke(c, 1.4, px, () => c.arc(x, y, r * 1e3, 0, 2 * Math.PI));
    }
    c.setLineDash([]);
  }
}

function stroke(c, width, px, trace) {
  for (const [style, more] of [[DARK, 2], [INK, 0]]) {
    c.strokeStyle = style;
    c.lineWidth = (width + more) * px;
    c.beginPath();
    trace();
    c.stroke();
  }
}

function ellipse(c, { at: [x, y], major_km: a, minor_km: b, azimuth_deg: azimuth }) {
  c.ellipse(x, y, a * 500, b * 500, ((90 - (azimuth ?? 0)) * Math.PI) / 180, 0, 2 * Math.PI);
}

function line(c, points) {
  points.forEach(([x, y], k) => (k ? c.lineTo(x, y) : c.moveTo(x, y)));
}

function arrow(c, [x0, y0], [x1, y1], head) {
  const turn = Math.atan2(y1 - y0, x1 - x0);
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  for (const side of [2.6, -2.6]) {
    c.moveTo(x1, y1);
    c.lineTo(x1 + head * Math.cos(turn + side), y1 + head * Math.sin(turn + side));
  }
}

const wind = (deg, names) => names[Math.round(deg / 45) % 8];

function movement(cell) {
  if ((cell.speed_m_s ?? 0) < MOVES_M_S || cell.direction_deg == null) return both("少动", "hardly moves");
  const speed = Math.round(cell.speed_m_s * 3.6);
  return both(`向${wind(cell.direction_deg, WINDS)} ${speed} km/h`, `to ${wind(cell.direction_deg, WINDS_EN)}`);
}

function trend(cell) {
  if (cell.max_trend_mm_h_h == null) return "—";
  const change = cell.max_trend_mm_h_h / Math.max(cell.max_mm_h, 1);
  if (Math.abs(change) < 0.3) return "→";
  return change > 0 ? "↑" : "↓";
}

export function cellsPanel(cells, time, chosen, choose) {
  if (!cells) return [el("p", { class: "note" }, both("本周期没有风暴单体产品。", "This cycle has no storm cells."))];
  if (!cells.length) return [el("p", { class: "note" }, both("没有风暴单体。", "No storm cell."))];
  const rows = cells.map((cell) =>
    el("tr", { "aria-selected": String(cell.cell === chosen) },
      el("td", {}, el("button", { type: "button", "data-cell": cell.cell, onclick: () => choose(cell) }, `#${cell.cell}`)),
      el("td", { class: "n" }, amount(cell.max_mm_h)),
      el("td", { class: "n" }, amount(cell.area_km2)),
      el("td", {}, movement(cell)),
      el("td", { class: "n", title: "最大雨强的变化 change of the maximum" }, trend(cell))));
  const head = ["单体 Cell", "最大 max mm/h", "面积 km²", "移动 moves", "趋势 trend"].map((t) => el("th", { scope: "col" }, t));
  return [
    el("h2", {}, both(`${beijingText(time)} 风暴单体 ${cells.length} 个`, `${cells.length} storm cells`)),
    el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)),
    el("p", { class: "note" }, both("箭头指向 60 分钟后的位置；选中的单体画出 15、30、60 分钟后约七成可能落入的圆。", "Arrows: place in 60 min; circles of the chosen one hold about 70 % of cells.")),
  ];
}
