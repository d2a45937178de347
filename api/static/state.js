// What the page shows, kept in the address so that a link shows the same.

import { cycleName, parseCycle } from "./format.js";

export const state = {
  cycle: null, // pinned cycle, null = follow the newest
  layer: "rate",
  time: NaN, // valid time in ms
  view: null, // { x, y, k }: centre in m from the grid's corner, pixels a metre
  point: null, // { lon, lat }
  tab: "warnings",
  warning: null,
};

export function readHash() {
  const found = new URLSearchParams(location.hash.slice(1));
  const cycle = found.get("cycle");
  state.cycle = Number.isFinite(parseCycle(cycle)) ? cycle : null;
  state.layer = found.get("layer") ?? state.layer;
  state.time = parseCycle(found.get("frame"));
  state.tab = found.get("tab") ?? state.tab;
  state.warning = found.get("warning");
  const view = (found.get("view") ?? "").split(",").map(Number);
  if (view.length === 3 && view.every(Number.isFinite) && view[2] > 0) {
    state.view = { x: view[0], y: view[1], k: view[2] / 1000 };
  }
  const point = (found.get("point") ?? "").split(",").map(Number);
  if (point.length === 2 && point.every(Number.isFinite)) {
    state.point = { lon: point[0], lat: point[1] };
  }
}

let timer = 0;
let written = "";

export function writeHash() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const out = new URLSearchParams();
    if (state.cycle) out.set("cycle", state.cycle);
    out.set("layer", state.layer);
    if (Number.isFinite(state.time)) out.set("frame", cycleName(state.time));
    if (state.view) {
      const { x, y, k } = state.view;
      out.set("view", `${Math.round(x)},${Math.round(y)},${(k * 1000).toFixed(3)}`);
    }
    if (state.point) out.set("point", `${state.point.lon},${state.point.lat}`);
    out.set("tab", state.tab);
    if (state.warning) out.set("warning", state.warning);
    written = `#${out.toString().replaceAll("%2C", ",")}`;
    history.replaceState(null, "", written);
  }, 150);
}

/** Whether the address is the one this page wrote. */
export const isOwnHash = () => location.hash === written;
