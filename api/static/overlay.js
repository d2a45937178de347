// What lies over the rain: counties, rivers, gauges, warnings, the cross and the chosen cell.

import { drawCells } from "./cells.js";
import { drawFloods } from "./floods.js";
import { cellAt } from "./geo.js";

export const LEVELS = { blue: "#2f7bff", yellow: "#ffd400", orange: "#ff8a00", red: "#ff2d2d" };
const BY_NUMBER = [null, "blue", "yellow", "orange", "red"];

function pathOf(lines, closed) {
  const path = new Path2D();
  for (const line of lines) {
    for (let i = 0; i < line.length; i += 2) {
      if (i) path.lineTo(line[i], line[i + 1]);
      else path.moveTo(line[i], line[i + 1]);
    }
    if (closed) path.closePath();
  }
  return path;
}

/** Outline of a set of cells: the edges that only one of them has. */
function edgesOf(cells, grid) {
  const path = new Path2D();
  const d = grid.spacing_m;
  for (const id of cells) {
    const column = id % grid.nx, row = Math.floor(id / grid.nx);
    const x = column * d, y = row * d;
    const edge = (x1, y1, x2, y2) => { path.moveTo(x1, y1); path.lineTo(x2, y2); };
    if (!cells.has(id - grid.nx)) edge(x, y, x + d, y);
    if (!cells.has(id + grid.nx)) edge(x, y + d, x + d, y + d);
    if (!column || !cells.has(id - 1)) edge(x, y, x, y + d);
    if (column === grid.nx - 1 || !cells.has(id + 1)) edge(x + d, y, x + d, y + d);
  }
  return path;
}

export class Overlay {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.warnings = [];
    this.gauges = [];
    this.storms = [];
    this.storm = null;
    this.floods = null;
    this.flood = null;
    this.cross = null;
    this.cell = null;
    this.chosen = null;
  }

  setMap(map) {
    this.map = map;
    this.mine = map.outlines.filter((o) => o.mine).map((o) => pathOf(o.rings, true));
    this.others = map.outlines.filter((o) => !o.mine).map((o) => pathOf(o.rings, true));
    this.rivers = map.rivers.map((r) => pathOf(r.lines, false));
  }

  setWarnings(features) {
    this.warnings = features.map((feature) => {
      const levels = new Map();
      for (const [id, level] of Object.entries(feature.properties.cells)) {
        const name = BY_NUMBER[level];
        if (!levels.has(name)) levels.set(name, new Set());
        levels.get(name).add(Number(id));
      }
      const areas = [...levels].map(([name, cells]) => ({ name, path: edgesOf(cells, this.map.grid) }));
      return { id: feature.id, areas };
    });
  }

  draw(ratio) {
    const c = this.canvas.getContext("2d");
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.map) return;
    this.view.apply(c, ratio);
    const px = 1 / this.view.k;
    c.lineJoin = "round";
    const stroke = (paths, style, width) => {
      c.strokeStyle = style;
      c.lineWidth = width * px;
      paths.forEach((path) => c.stroke(path));
    };
    const { nx, ny, spacing_m: d } = this.map.grid;
    c.save(); // neighbours are cut off somewhere outside: nothing is drawn there
    c.beginPath();
    c.rect(0, 0, nx * d, ny * d);
    c.clip();
    stroke(this.rivers, "rgba(4, 10, 16, .55)", 3.4);
    stroke(this.rivers, "rgba(120, 190, 235, .85)", 1.5);
    stroke(this.others, "rgba(140, 155, 165, .5)", 0.9);
    stroke(this.mine, "rgba(4, 10, 16, .8)", 3.6);
    stroke(this.mine, "rgba(245, 248, 250, .92)", 1.5);
    c.restore();
    c.strokeStyle = "#3a4d5b";
    c.lineWidth = px;
    c.strokeRect(0, 0, nx * d, ny * d);
    this.drawWarnings(c, stroke);
    drawFloods(c, this.floods, this.flood, px);
    drawCells(c, this.storms, this.storm, px);
    this.drawCell(c, px);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.drawLabels(c);
    this.drawCross(c);
  }

  drawWarnings(c, stroke) {
    for (const warning of this.warnings) {
      const chosen = warning.id === this.chosen;
      for (const { name, path } of warning.areas) {
        stroke([path], "rgba(0, 0, 0, .75)", chosen ? 6 : 4);
        stroke([path], chosen ? "#ffffff" : LEVELS[name], chosen ? 4 : 2.2);
        if (chosen) stroke([path], LEVELS[name], 2);
      }
    }
  }

  drawCell(c, px) {
    if (!this.cell) return;
    const d = this.map.grid.spacing_m;
    c.strokeStyle = "#000";
    c.lineWidth = 4 * px;
    c.strokeRect(this.cell.column * d, this.cell.row * d, d, d);
    c.strokeStyle = "#fff";
    c.lineWidth = 2 * px;
    c.strokeRect(this.cell.column * d, this.cell.row * d, d, d);
  }

  /** Names, the city's own first; one that would lie on another is left out. */
  drawLabels(c) {
    c.textAlign = "center";
    c.lineJoin = "round";
    this.taken = [];
    const outlines = [...this.map.outlines].sort((a, b) => b.mine - a.mine);
    for (const outline of outlines) {
      if (!cellAt(this.map.grid, ...outline.label)) continue;
      const [x, y] = this.view.toScreen(...outline.label);
      const size = outline.mine ? 15 : 12;
      if (!this.free(x, y, size * 3.6, size * 2.2)) continue;
      this.text(c, outline.name_zh, x, y, size, outline.mine ? "#ffffff" : "#9fb0bb", 600);
      this.text(c, outline.name_en, x, y + size * 0.95, size * 0.72, outline.mine ? "#d5dee4" : "#8798a3");
    }
    this.drawGauges(c);
    if (this.view.k < 0.004) return;
    for (const river of this.map.rivers) {
      const line = river.lines[0], at = 2 * Math.floor(line.length / 4);
      const [x, y] = this.view.toScreen(line[at], line[at + 1]);
      if (this.free(x, y - 4, 40, 14)) this.text(c, river.name_zh, x, y - 4, 11, "#9bd0f2");
    }
  }

  /** Take a box around a place for a name; false where another name has it. */
  free(x, y, width, height) {
    const box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2];
    const meets = (o) => box[0] < o[2] && box[2] > o[0] && box[1] < o[3] && box[3] > o[1];
    if (this.taken.some(meets)) return false;
    this.taken.push(box);
    return true;
  }

  text(c, words, x, y, size, colour, weight = 400) {
    c.font = `${weight} ${size}px "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif`;
    c.lineWidth = 3.5;
    c.strokeStyle = "rgba(4, 9, 13, .85)";
    c.strokeText(words, x, y);
    c.fillStyle = colour;
    c.fillText(words, x, y);
  }

  drawGauges(c) {
    for (const gauge of this.gauges) {
      if (gauge.x == null) continue;
      const [x, y] = this.view.toScreen(gauge.x, gauge.y);
      c.beginPath();
      c.moveTo(x, y + 6);
      c.lineTo(x - 6, y - 5);
      c.lineTo(x + 6, y - 5);
      c.closePath();
      c.fillStyle = "#7fe3ff";
      c.strokeStyle = "#04121a";
      c.lineWidth = 2;
      c.stroke();
      c.fill();
      const width = 12 * gauge.name_zh.length + 6;
      if (this.view.k < 0.0035 || !this.free(x + 9 + width / 2, y, width, 15)) continue;
      c.textAlign = "left";
      this.text(c, gauge.name_zh, x + 9, y + 4, 12, "#c9f3ff");
      c.textAlign = "center";
    }
  }

  drawCross(c) {
    if (!this.cross) return;
    const [x, y] = this.view.toScreen(this.cross.x, this.cross.y);
    for (const [style, width] of [["#000", 4], ["#fff", 1.6]]) {
      c.strokeStyle = style;
      c.lineWidth = width;
      c.beginPath();
      c.moveTo(x - 12, y);
      c.lineTo(x + 12, y);
      c.moveTo(x, y - 12);
      c.lineTo(x, y + 12);
      c.stroke();
    }
  }
}
