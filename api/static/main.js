// The viewer: what is loaded, what is shown, and what happens when something is chosen.

import { cellsPanel, readCells } from "./cells.js";
import { Dispatch } from "./dispatch.js";
import { both, byId, el } from "./dom.js";
import { Field } from "./field.js";
import { floodsPanel, readFloods } from "./floods.js";
import { parseCycle } from "./format.js";
import { View, cellAt, cityBox, fromCorner, lonLat, planeOf } from "./geo.js";
import { drawBanners, drawClockAge, drawLegend, drawReadout, drawStatus, drawValid } from "./header.js";
import { setUpKeySheet, walkable, watchKeys, watchPointers } from "./input.js";
import { Overlay } from "./overlay.js";
import { gaugePanel, gaugesPanel, notesPanel, pointPanel, sortWarnings, warningsPanel } from "./panels.js";
import { loadProposals, proposalsPanel, writing } from "./proposals.js";
import { findJson, getFrame, getJson, preload } from "./service.js";
import { setUpSignIn, signedIn } from "./signin.js";
import { isOwnHash, readHash, state, writeHash } from "./state.js";
import { Timeline } from "./timeline.js";

const API = "/api/v1";
const POLL_MS = 15000;
const TABS = [["warnings", "预警", "Warnings"], ["point", "点", "Point"], ["cells", "单体", "Cells"], ["floods", "山洪", "Floods"], ["gauges", "测站", "Gauges"], ["dispatch", "调度", "Dispatch"], ["notes", "说明", "Notes"]];
const tabs = () => (signedIn() ? [...TABS, ["proposals", "审批", "Review"]] : TABS);

const view = new View(byId("lines"));
const field = new Field(byId("field"), view);
const overlay = new Overlay(byId("lines"), view);
const dispatch = new Dispatch();
const timeline = new Timeline((time) => showFrame(time));
const data = {
  map: null, legend: null, index: null, manifest: null, warnings: [], warningsFailure: null,
  gauges: null, gauge: null, storms: null, floods: null, point: null, near: null, newest: null, clockOffset: 0, proposals: null, quality: null, states: null,
};
let loading = 0;
let queued = false;
let pointer = null; // where the cursor is: its readout follows the frames

const serverNow = () => Date.now() + data.clockOffset;
const layerOf = (id) => data.index.layers.find((l) => l.id === id && l.frames.length) ?? data.index.layers[0];
const scaleOf = (layer) => data.legend.scales[layer.scale];

// ---------------------------------------------------------------- drawing

function redraw() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    if (!data.map) return;
    const ratio = window.devicePixelRatio || 1;
    field.draw(ratio, data.map.grid);
    overlay.draw(ratio);
  });
}

function resize() {
  const ratio = window.devicePixelRatio || 1;
  for (const canvas of [byId("field"), byId("lines")]) {
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(canvas.clientHeight * ratio);
  }
  redraw();
}

function frameAt(layer, time) {
  const frames = layer.frames;
  const k = frames.length === 1 ? 0 : frames.findIndex((f) => Date.parse(f.time) === time);
  return k < 0 ? null : { ...frames[k], fraction: layer.observed_fraction?.[k] ?? null };
}

async function showFrame(time) {
  if (!data.index || time === undefined) return;
  const layer = layerOf(state.layer);
  state.time = time;
  writeHash();
  const frame = frameAt(layer, time);
  drawValid({ time, analysis: Date.parse(data.index.time), layer, has: frame !== null, fraction: frame?.fraction });
  drawFound();
  if (state.tab === "point" || data.gauge) drawPanel();
  try {
    const codes = frame && (await getFrame(frame.url));
    if (state.time !== time || layerOf(state.layer) !== layer) return; // another was chosen meanwhile
    field.set(codes, data.index.grids[layer.grid], scaleOf(layer));
    document.body.dataset.frame = frame?.url ?? "";
    if (pointer) hover(...pointer);
    fail(null);
  } catch (error) {
    fail(error);
  }
  redraw();
}

function fail(error) {
  const box = byId("failure");
  box.hidden = !error;
  if (error) box.replaceChildren(both("读取失败", `cannot read: ${error.message}`));
}

function drawLayers() {
  const group = byId("layers");
  group.replaceChildren(...data.index.layers.map((layer, k) =>
    el("button", {
      type: "button", role: "radio", "data-layer": layer.id, disabled: !layer.frames.length,
      "aria-checked": String(layer.id === layerOf(state.layer).id), tabindex: layer.id === state.layer ? 0 : -1,
      onclick: () => chooseLayer(layer.id),
    }, layer.name_zh, el("small", {}, layer.name_en), k < 9 ? el("kbd", { "aria-hidden": "true" }, String(k + 1)) : "")));
}

function drawPanel() {
  const cursor = state.time;
  const counties = new Map(data.map.outlines.map((o) => [o.code, o]));
  const draw = {
    warnings: () => warningsPanel(data.warnings, counties, state.warning, chooseWarning, data.warningsFailure),
    point: () => pointPanel(data.point, data.near, cursor, state.point !== null),
    gauges: () => (data.gauge
      ? gaugePanel(data.gauge, cursor, () => { data.gauge = null; drawPanel(); })
      : gaugesPanel(data.gauges, chooseGauge)),
    cells: () => cellsPanel(data.storms, Date.parse(data.index.time), overlay.storm, chooseStorm),
    floods: () => floodsPanel(data.floods, Date.parse(data.index.time), overlay.flood, chooseFlood),
    dispatch: () => dispatch.panel(data.index.cycle, data.gauges?.gauges ?? []),
    notes: () => notesPanel(data.manifest),
    proposals: () => proposalsPanel(data.proposals, counties, serverNow(), poll),
  };
  byId("panel").replaceChildren(...(draw[state.tab] ?? draw.warnings)());
  drawFound();
  const count = { warnings: data.warnings.length || "", cells: data.storms?.length || "", floods: data.floods?.beyond || "", notes: data.manifest?.degradations?.length || "", proposals: data.proposals?.proposals.length || "" };
  byId("tabs").replaceChildren(...tabs().map(([id, zh, en]) =>
    el("button", {
      type: "button", role: "tab", "aria-selected": String(id === state.tab), "data-tab": id, "aria-controls": "panel",
      tabindex: id === state.tab ? 0 : -1, onclick: () => chooseTab(id),
    }, `${zh} ${count[id] ?? ""}`, el("small", {}, en))));
}

// ---------------------------------------------------------------- choosing

function chooseLayer(id) {
  if (!data.index?.layers.some((l) => l.id === id && l.frames.length)) return;
  state.layer = id;
  drawLayers();
  const layer = layerOf(id);
  drawLegend(layer, scaleOf(layer));
  timeline.drawTicks((time) => frameAt(layer, time) !== null);
  showFrame(timeline.time);
  preloadLayer(layer);
}

function chooseTab(id) {
  const focused = document.activeElement?.closest("#tabs");
  state.tab = id;
  writeHash();
  drawPanel();
  if (focused) byId("tabs").querySelector(`[data-tab=${id}]`).focus();
}

function chooseWarning(feature) {
  state.warning = state.warning === feature.id ? null : feature.id;
  overlay.chosen = state.warning;
  if (state.warning) {
    const { nx, spacing_m: d } = data.map.grid;
    const ids = Object.keys(feature.properties.cells).map(Number);
    const columns = ids.map((id) => id % nx), rows = ids.map((id) => Math.floor(id / nx));
    const box = [Math.min(...columns), Math.min(...rows), Math.max(...columns) + 1, Math.max(...rows) + 1];
    view.fit(box.map((v) => v * d), 1.6);
    viewMoved();
  }
  writeHash();
  drawPanel();
  byId("panel").querySelector(`[data-id="${feature.id}"]`)?.focus();
  redraw();
}

async function choosePoint(x, y) {
  if (!cellAt(data.map.grid, x, y)) return;
  const place = lonLat(data.map, x, y);
  state.point = { lon: +place.lon.toFixed(5), lat: +place.lat.toFixed(5) };
  state.tab = "point";
  writeHash();
  data.point = null;
  drawPanel();
  await loadPoint();
}

async function chooseGauge(gauge) {
  data.gauge = await findJson(`${API}/gauges/${gauge.id}?cycle=${data.index.cycle}`);
  state.tab = "gauges";
  if (gauge.x_m != null) {
    view.x = gauge.x_m - data.map.grid.x0_m;
    view.y = gauge.y_m - data.map.grid.y0_m;
    viewMoved();
  }
  drawPanel();
}

function chooseStorm(cell) {
  overlay.storm = overlay.storm === cell.cell ? null : cell.cell;
  if (overlay.storm) {
    [view.x, view.y] = cell.at;
    viewMoved();
  }
  drawPanel();
  byId("panel").querySelector(`[data-cell="${cell.cell}"]`)?.focus();
  redraw();
}

function chooseFlood(one) {
  overlay.flood = overlay.flood === one.reach ? null : one.reach;
  if (overlay.flood !== null) {
    [view.x, view.y] = one.ends[1];
    viewMoved();
  }
  drawPanel();
  byId("panel").querySelector(`[data-reach="${one.reach}"]`)?.focus();
  redraw();
}

/** Cells belong to the analysis: they lie on the map while it is shown, or their list is. Floods
 *  would hide the rain: they lie on it with their list. */
function drawFound() {
  const shown = state.tab === "cells" || (state.tab !== "floods" && state.time === Date.parse(data.index.time));
  overlay.storms = shown ? data.storms ?? [] : [];
  overlay.floods = state.tab === "floods" ? data.floods : null;
  redraw();
}

async function loadPoint() {
  const { lon, lat } = state.point;
  const [x, y] = planeOf(data.map, lon, lat);
  overlay.cell = cellAt(data.map.grid, x, y);
  redraw();
  data.point = await findJson(`${API}/point?lon=${lon}&lat=${lat}&cycle=${data.index.cycle}`);
  data.near = null;
  drawPanel();
  const near = overlay.gauges.filter((g) => g.x != null)
    .sort((a, b) => Math.hypot(a.x - x, a.y - y) - Math.hypot(b.x - x, b.y - y))[0];
  data.near = near ? await findJson(`${API}/gauges/${near.id}?cycle=${data.index.cycle}`) : null;
  if (data.near) data.near.near = true;
  drawPanel();
}

function viewMoved() {
  state.view = { x: view.x, y: view.y, k: view.k };
  writeHash();
  redraw();
}

function hover(x, y, px, py) {
  if (!data.index) return;
  pointer = [x, y, px, py];
  const layer = layerOf(state.layer);
  const codeOf = (codes, grid) => {
    const cell = cellAt(grid, x, y);
    return cell && codes ? codes[cell.id] : null;
  };
  const working = data.index.grids.working;
  const quality = data.legend.scales.quality.values[codeOf(data.quality, working)] ?? null;
  const kind = data.legend.scales.state.breaks[codeOf(data.states, working)];
  const gauges = px === undefined ? [] : overlay.gauges.filter((g) => {
    const [gx, gy] = g.x == null ? [-99, -99] : view.toScreen(g.x, g.y);
    return Math.hypot(gx - px, gy - py) < 12;
  });
  drawReadout({ map: data.map, x, y, found: field.at(x, y), layer, scale: scaleOf(layer), quality, stateCode: kind?.en, gauges });
}

function moveCross(dx, dy) {
  const d = data.map.grid.spacing_m;
  const at = overlay.cross ?? { x: view.x, y: view.y };
  overlay.cross = { x: at.x + dx * d, y: at.y + dy * d };
  hover(overlay.cross.x, overlay.cross.y);
  redraw();
}

// ---------------------------------------------------------------- loading

function preloadLayer(layer) {
  const mine = loading;
  preload(layer.frames.map((f) => f.url), () => mine === loading && layerOf(state.layer) === layer);
}

async function loadCycle(cycle) {
  loading += 1;
  const mine = loading;
  const [index, manifest, gauges] = await Promise.all([
    getJson(`${API}/frames/${cycle}`), getJson(`${API}/cycles/${cycle}/manifest`), findJson(`${API}/gauges?cycle=${cycle}`),
  ]);
  const floods = await findJson(`${API}/flash-floods?cycle=${cycle}&min_ratio=0.7`);
  const storms = manifest.products["cells.geojson"] && (await findJson(`${API}/cells?cycle=${cycle}`));
  if (mine !== loading) return;
  Object.assign(data, { index, manifest, gauges, gauge: null, storms: storms && readCells(storms, data.map), floods: floods && readFloods(floods, data.map) });
  if (!data.floods?.catchments.some((f) => f.reach === overlay.flood)) overlay.flood = null;
  if (!data.storms?.some((s) => s.cell === overlay.storm)) overlay.storm = null;
  const { x0_m: x0, y0_m: y0 } = data.map.grid;
  overlay.gauges = (gauges?.gauges ?? []).map((g) => ({ ...g, x: g.x_m == null ? null : g.x_m - x0, y: g.y_m == null ? null : g.y_m - y0 }));
  await loadWarnings();
  drawLayers();
  const analysis = Date.parse(index.time);
  const rate = index.layers.find((l) => l.id === "rate");
  timeline.set(rate.frames.map((f) => Date.parse(f.time)), analysis, state.time);
  state.time = timeline.time;
  chooseLayer(layerOf(state.layer).id);
  drawHeader();
  if (state.point) await loadPoint();
  drawPanel();
  const one = (id) => getFrame(index.layers.find((l) => l.id === id).frames[0].url);
  [data.quality, data.states] = await Promise.all([one("quality"), one("state")]);
  document.body.dataset.cycle = cycle;
}

async function loadWarnings() {
  try {
    const page = await getJson(`${API}/warnings?active=true&limit=500&at=${encodeURIComponent(data.index.time)}`);
    data.warnings = sortWarnings(page.features);
    data.warningsFailure = null;
  } catch (error) {
    data.warnings = [];
    data.warningsFailure = error.message;
  }
  overlay.setWarnings(data.warnings);
  overlay.chosen = state.warning;
}

function drawHeader() {
  const status = data.manifest?.status ?? data.map.status;
  drawStatus({ index: data.index, manifest: data.manifest, map: data.map, serverNow: serverNow(), openNotes: () => chooseTab("notes") });
  drawBanners({ status, gauges: data.gauges, newestTime: parseCycle(data.newest), serverNow: serverNow(), pinned: state.cycle && state.cycle !== data.newest });
  byId("newest").hidden = !state.cycle;
}

async function poll() {
  try {
    const answer = await getJson(`${API}/cycles?limit=1`);
    data.clockOffset = Date.parse(answer.now) - Date.now();
    data.newest = answer.cycles[0]?.cycle ?? null;
    data.proposals = await loadProposals();
    const wanted = state.cycle ?? data.newest;
    if (!wanted) {
      fail(new Error("还没有发布任何周期 no cycle is published yet"));
    } else if (data.index?.cycle !== wanted) {
      if (!state.cycle && data.index && state.time === Date.parse(data.index.time)) state.time = NaN; // stay at now
      await loadCycle(wanted);
    } else {
      await loadWarnings();
      if (state.tab === "warnings" || (state.tab === "proposals" && !writing())) drawPanel();
      redraw();
    }
    if (data.index) drawHeader();
  } catch (error) {
    fail(error);
  }
}

async function start() {
  readHash();
  setUpKeySheet();
  await setUpSignIn();
  const [map, legend] = await Promise.all([getJson(`${API}/map`), getJson(`${API}/frames/legend`)]);
  Object.assign(data, { map: fromCorner(map), legend });
  overlay.setMap(map);
  const all = [0, 0, map.grid.nx * map.grid.spacing_m, map.grid.ny * map.grid.spacing_m];
  resize();
  if (state.view) Object.assign(view, state.view);
  else view.fit(cityBox(map), 1.25);
  const show = (box, margin) => { view.fit(box, margin); viewMoved(); };
  const zoom = (factor) => { view.zoom(factor); viewMoved(); };
  const city = () => show(cityBox(map), 1.25);
  byId("zoom-in").addEventListener("click", () => zoom(1.5));
  byId("zoom-out").addEventListener("click", () => zoom(1 / 1.5));
  byId("zoom-city").addEventListener("click", city);
  byId("zoom-all").addEventListener("click", () => show(all, 1.03));
  byId("newest").addEventListener("click", () => { state.cycle = null; state.time = NaN; writeHash(); poll(); });
  const canvas = byId("lines");
  watchPointers(canvas, view, {
    moved: viewMoved,
    hovered: hover,
    left: () => { pointer = null; byId("readout").replaceChildren(); },
    clicked: (x, y, px, py) => {
      const gauge = overlay.gauges.find((g) => g.x != null && Math.hypot(view.toScreen(g.x, g.y)[0] - px, view.toScreen(g.x, g.y)[1] - py) < 11);
      (gauge ? chooseGauge(gauge) : choosePoint(x, y)).catch(fail);
    },
  });
  walkable(byId("layers"), (button) => chooseLayer(button.dataset.layer));
  walkable(byId("tabs"), (button) => chooseTab(button.dataset.tab));
  const layerKeys = Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [String(n), () => chooseLayer(data.index?.layers[n - 1]?.id)]));
  watchKeys({
    ...layerKeys, " ": () => timeline.toggle(), ArrowLeft: () => timeline.step(-1), ArrowRight: () => timeline.step(1),
    Home: () => timeline.pick(0), End: () => timeline.pick(timeline.times.length - 1), n: () => timeline.toNow(),
    PageUp: () => timeline.faster(1), PageDown: () => timeline.faster(-1), "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5),
    0: city, "?": () => byId("keys").showModal(), w: () => chooseTab("warnings"), p: () => chooseTab("point"), c: () => chooseTab("cells"), f: () => chooseTab("floods"), g: () => chooseTab("gauges"), d: () => chooseTab("dispatch"), i: () => chooseTab("notes"),
    "Shift+ArrowLeft": () => moveCross(-1, 0), "Shift+ArrowRight": () => moveCross(1, 0), "Shift+ArrowUp": () => moveCross(0, 1), "Shift+ArrowDown": () => moveCross(0, -1),
    Enter: () => { const at = overlay.cross ?? view; choosePoint(at.x, at.y).catch(fail); },
    Escape: () => { overlay.cross = null; overlay.cell = null; pointer = null; state.point = null; data.point = null; writeHash(); drawPanel(); redraw(); },
  });
  new ResizeObserver(resize).observe(byId("map"));
  window.addEventListener("hashchange", () => { if (!isOwnHash()) location.reload(); });
  await poll();
  setInterval(poll, POLL_MS);
  setInterval(() => data.index && drawClockAge(serverNow(), Date.parse(data.index.time)), 1000);
}

start().catch(fail);
