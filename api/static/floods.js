// Flash floods: small catchments whose rain nears what makes their river flood.

import { both, el } from "./dom.js";
import { amount, beijingText } from "./format.js";
import { planeOf } from "./geo.js";

const BEYOND = "#ff3b30", NEAR = "#ffb020", DARK = "rgba(10, 2, 2, .85)";
const HOUR = 3600e3;

/** The answer of the service with the places of its reaches in the plane of the grid. */
export function readFloods(answer, map) {
  return {
    ...answer,
    catchments: answer.catchments.map((one) => ({
      ...one, ends: one.line.map(([lon, lat]) => planeOf(map, lon, lat)),
    })),
  };
}

/** Rivers: reaches of the answer that flow into one another, each with its worst reach first. */
export function rivers(catchments) {
  const known = new Map(catchments.map((one) => [one.reach, one]));
  const mouth = (one) => {
    let at = one;
    while (known.has(at.downstream)) at = known.get(at.downstream);
    return at.reach;
  };
  const found = new Map();
  for (const one of catchments) { // worst first
    const key = mouth(one);
    if (found.has(key)) found.get(key).push(one);
    else found.set(key, [one]);
  }
  return [...found.values()];
}

/** Draw in metres; `px` is a pixel in metres. Those beyond lie over those that are near. */
export function drawFloods(c, floods, chosen, px) {
  if (!floods) return;
  for (const one of [...floods.catchments].reverse()) {
    const [[x0, y0], [x1, y1]] = one.ends;
    for (const [style, width] of [[DARK, 7], [one.beyond ? BEYOND : NEAR, 4]]) {
      c.strokeStyle = style;
      c.lineWidth = width * px;
      c.beginPath();
      c.moveTo(x0, y0);
      c.lineTo(x1, y1);
      c.stroke();
    }
    if (one.reach !== chosen) continue;
    c.strokeStyle = "#fff";
    c.lineWidth = 2 * px;
    c.beginPath();
    c.arc(x1, y1, 10 * px, 0, 2 * Math.PI);
    c.stroke();
  }
}

const share = (one) => {
  const known = one.ratio.filter((r) => r != null);
  return known.length < one.ratio.length ? "∞" : Math.max(...known).toFixed(2);
};

function rarity(years) {
  if (!years) return "<2";
  return `${years < 10 ? years.toFixed(1) : Math.round(years)}${years >= 100 ? "+" : ""}`;
}

export function floodsPanel(floods, time, chosen, choose) {
  if (!floods) return [el("p", { class: "note" }, both("本周期没有山洪临界雨量产品。", "This cycle has no critical rain."))];
  const foot = el("p", { class: "note" }, both(
    `${floods.durations_h.join("、")} 小时实况加预报雨量与动态临界雨量之比，1 即达到 ${floods.critical_return_period_years} 年一遇洪水所需雨量；土壤含水量为当前值。`,
    `Observed and forecast rain over the rain that, on the soil as wet as it is, brings the ${floods.critical_return_period_years}-year flood. Design rain: ${floods.design_rain_source}.`));
  const heading = el("h2", {}, both(`${beijingText(time)} 山洪：${floods.beyond} 条小流域达到临界雨量`, `${floods.beyond} of ${floods.known} small catchments beyond their critical rain`));
  if (!floods.catchments.length) return [heading, foot];
  const rows = rivers(floods.catchments).map(([one, ...others]) =>
    el("tr", { "aria-selected": String(one.reach === chosen) },
      el("td", {}, el("button", { type: "button", "data-reach": one.reach, onclick: () => choose(one) },
        both(one.name_zh ?? `河段 ${one.reach}`, one.name_en ?? `reach ${one.reach}`),
        others.length ? both(` 等 ${others.length + 1} 段`, `and ${others.length} more`) : null)),
      el("td", { class: "n" }, amount(one.upstream_area_km2)),
      el("td", { class: "n" }, el("strong", one.beyond ? { class: "beyond" } : {}, share(one))),
      el("td", { class: "n", title: floods.durations_h.map((h, k) => `${h} h ${amount(one.critical_mm[k])} mm`).join("，") }, one.critical_mm.map(amount).join(" ")),
      el("td", { class: "n" }, rarity(one.return_period_years)),
      el("td", { class: "n" }, one.onset_h == null ? "—" : beijingText(time + one.onset_h * HOUR).slice(-5))));
  const head = ["小流域 Catchment", "面积 km²", "比值 ratio", `${floods.durations_h.join("/")} h 临界 critical mm`, "重现期 years", "超临界 from"].map((t) => el("th", { scope: "col" }, t));
  return [heading, el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows)), foot];
}
