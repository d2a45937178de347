// One axis from the first observation to the last forecast, with the seam between them.

import { byId, el } from "./dom.js";
import { beijing, beijingText, lead } from "./format.js";

const SPEEDS = [700, 450, 300, 200, 120]; // ms a frame
const DWELL = 1200; // at the seam and at the end

export class Timeline {
  /** `changed(time)` is called when another time is chosen. */
  constructor(changed) {
    this.changed = changed;
    this.times = [];
    this.analysis = NaN;
    this.index = 0;
    this.speed = 2;
    this.timer = 0;
    this.slider = byId("slider");
    this.slider.addEventListener("input", () => this.pick(Number(this.slider.value)));
    const on = (id, action) => byId(id).addEventListener("click", action);
    on("first", () => this.pick(0));
    on("back", () => this.step(-1));
    on("play", () => this.toggle());
    on("forward", () => this.step(1));
    on("last", () => this.pick(this.times.length - 1));
    on("now", () => this.toNow());
  }

  /** Take the times of a cycle; the one shown before stays where it is among them. */
  set(times, analysis, wanted) {
    this.times = times;
    this.analysis = analysis;
    this.slider.max = Math.max(0, times.length - 1);
    const at = times.indexOf(wanted);
    this.index = at >= 0 ? at : Math.max(0, times.indexOf(analysis));
    this.drawTicks();
    this.show();
  }

  get time() { return this.times[this.index]; }
  get playing() { return this.timer !== 0; }

  pick(index) {
    this.index = Math.min(Math.max(index, 0), this.times.length - 1);
    this.show();
    this.changed(this.time);
  }

  step(by) {
    this.stop();
    this.pick(this.index + by);
  }

  toNow() {
    this.stop();
    this.pick(Math.max(0, this.times.indexOf(this.analysis)));
  }

  toggle() {
    if (this.playing) this.stop();
    else this.run();
    this.showPlay();
  }

  faster(by) {
    this.speed = Math.min(Math.max(this.speed + by, 0), SPEEDS.length - 1);
  }

  run() {
    const dwell = this.index === this.times.length - 1 || this.time === this.analysis;
    this.timer = setTimeout(() => {
      this.pick((this.index + 1) % Math.max(1, this.times.length));
      if (this.playing) this.run();
    }, dwell ? DWELL : SPEEDS[this.speed]);
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.showPlay();
  }

  showPlay() {
    byId("play").setAttribute("aria-pressed", String(this.playing));
  }

  show() {
    if (!this.times.length) return;
    this.slider.value = this.index;
    const minutes = Math.round((this.time - this.analysis) / 60000);
    const kind = minutes > 0 ? "预报 forecast" : "实况 observed";
    this.slider.setAttribute("aria-valuetext", `${beijingText(this.time)} ${kind} ${lead(minutes)}`);
  }

  /** Mark the times for which the layer has no frame. */
  drawTicks(has = () => true) {
    const ticks = byId("ticks");
    const n = Math.max(1, this.times.length - 1);
    const left = (k) => `${(100 * k) / n}%`;
    const marks = [];
    this.times.forEach((time, k) => {
      const whole = time % 1800e3 === 0;
      const kind = time > this.analysis ? "forecast" : "observed";
      const tick = el("i", { class: `${kind}${whole ? " hour" : ""}${has(time) ? "" : " none"}` });
      tick.style.left = left(k);
      marks.push(tick);
      if (whole && Math.abs(time - this.analysis) > 8 * 60e3) {
        const label = el("span", {}, beijing(time).clock);
        label.style.left = left(k);
        marks.push(label);
      }
    });
    const now = this.times.indexOf(this.analysis);
    if (now >= 0) {
      const seam = el("div", { class: "seam" }, el("b", {}, `现在 Now ${beijing(this.analysis).clock}`));
      seam.style.left = left(now);
      marks.push(seam);
    }
    ticks.replaceChildren(...marks);
  }
}
