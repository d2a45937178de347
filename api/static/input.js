// Mouse, touch and keys.

import { byId, both, el } from "./dom.js";
import { KEYS } from "./words.js";

/** Pan with one pointer, zoom with two or the wheel; a press that did not move is a click. */
export function watchPointers(canvas, view, { moved, clicked, hovered, left }) {
  const down = new Map();
  let dragged = false;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, place(event));
    if (down.size === 1) dragged = false;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [px, py] = place(event);
    const before = down.get(event.pointerId);
    if (!before) {
      hovered(...view.toPlane(px, py), px, py);
      return;
    }
    if (down.size === 1) {
      if (!dragged && Math.hypot(px - before[0], py - before[1]) < 4) return;
      dragged = true;
      view.x -= (px - before[0]) / view.k;
      view.y += (py - before[1]) / view.k;
    } else {
      dragged = true;
      const other = [...down].find(([id]) => id !== event.pointerId)[1];
      const span = (a) => Math.max(10, Math.hypot(a[0] - other[0], a[1] - other[1]));
      view.zoom(span([px, py]) / span(before), (px + other[0]) / 2, (py + other[1]) / 2);
    }
    down.set(event.pointerId, [px, py]);
    moved();
  });
  const up = (event) => {
    if (down.delete(event.pointerId) && down.size === 0 && !dragged && event.type === "pointerup") {
      clicked(...view.toPlane(...place(event)), ...place(event));
    }
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", left);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...place(event));
    moved();
  }, { passive: false });
}

/** Keys of the whole page; those typed into a control that uses them stay its own. */
export function watchKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const focused = document.activeElement;
    const typing = focused?.matches("input:not([type=range]), textarea, select");
    if (typing) return;
    const inside = focused?.closest("[role=tablist], [role=radiogroup]");
    const arrow = event.key.startsWith("Arrow");
    if (arrow && !event.shiftKey && inside) return;
    if ((event.key === " " || event.key === "Enter") && focused?.matches("button")) return;
    const name = event.shiftKey && arrow ? `Shift+${event.key}` : event.key;
    const action = actions[name] ?? actions[name.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

export function setUpKeySheet() {
  const sheet = byId("keys");
  const rows = KEYS.flatMap(([key, zh, en]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, both(zh, en))]);
  sheet.append(
    el("h2", {}, both("快捷键", "Keys")), el("dl", {}, rows),
    el("form", { method: "dialog" }, el("button", {}, both("关闭", "Close"))),
  );
  byId("help").addEventListener("click", () => sheet.showModal());
}

/** Arrow keys move along a group of buttons, as they do along tabs and radio buttons. */
export function walkable(group, selected) {
  group.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...group.querySelectorAll("button:not([disabled])")];
    const next = buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length];
    next.focus();
    selected(next);
  });
}
