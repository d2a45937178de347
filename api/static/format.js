// Times are UTC in the service; screens show Beijing time first, UTC beside it.

const EIGHT_HOURS = 8 * 3600e3;
const two = (n) => String(n).padStart(2, "0");

function parts(ms) {
  const d = new Date(ms);
  return {
    date: `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`,
    day: `${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`,
    clock: `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`,
  };
}

export const beijing = (ms) => parts(ms + EIGHT_HOURS);
export const utc = (ms) => parts(ms);

export function beijingText(ms) {
  const t = beijing(ms);
  return `${t.day} ${t.clock}`;
}

/** Cycle name of a time: 20190809T1630Z. */
export function cycleName(ms) {
  const t = utc(ms);
  return `${t.date.replaceAll("-", "")}T${t.clock.replace(":", "")}Z`;
}

export function parseCycle(name) {
  const m = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)Z$/.exec(name ?? "");
  return m ? Date.UTC(+m[1], m[2] - 1, +m[3], +m[4], +m[5]) : NaN;
}

/** How long ago, in both languages. */
export function age(seconds) {
  const s = Math.max(0, seconds);
  if (s < 90) return { zh: `${Math.round(s)}秒`, en: `${Math.round(s)} s` };
  if (s < 5400) return { zh: `${Math.round(s / 60)}分钟`, en: `${Math.round(s / 60)} min` };
  if (s < 172800) {
    const h = (s / 3600).toFixed(1);
    return { zh: `${h}小时`, en: `${h} h` };
  }
  const d = Math.floor(s / 86400);
  return { zh: `${d}天`, en: `${d} days` };
}

export function lead(minutes) {
  if (minutes === 0) return "T";
  return `${minutes > 0 ? "+" : "−"}${Math.abs(minutes)} min`;
}

export function amount(value) {
  if (value == null) return "—";
  if (value === 0) return "0";
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

export function flow(value) {
  if (value == null) return "—";
  return value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
}

export const unitText = (unit) => (unit === "mm h-1" ? "mm/h" : unit === "1" ? "" : unit);
