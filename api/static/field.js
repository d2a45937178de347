// One frame as an image, and over it the hatches that tell what values rest on.

export const MARKS = {
  missing: { zh: "缺测", en: "missing" },
  blocked: { zh: "遮挡", en: "blocked" },
  stale: { zh: "过时", en: "stale" },
  filled: { zh: "填补", en: "filled" },
};

const tiles = {};

/** Pattern tile of a mark: each differs in form, not in colour alone. */
export function tile(mark) {
  if (tiles[mark]) return tiles[mark];
  const size = 10;
  const canvas = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const c = canvas.getContext("2d");
  c.lineWidth = 1.3;
  const line = (...points) => {
    c.beginPath();
    points.forEach(([x, y], k) => (k ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.stroke();
  };
  if (mark === "missing") {
    c.fillStyle = "#23282d";
    c.fillRect(0, 0, size, size);
    c.strokeStyle = "#59636c";
    for (const s of [-10, 0, 10]) line([s, size], [s + size, 0]);
  } else if (mark === "blocked") {
    c.fillStyle = "#2a231b";
    c.fillRect(0, 0, size, size);
    c.strokeStyle = "#8a6f4d";
    line([0, 5], [size, 5]);
    line([5, 0], [5, size]);
  } else if (mark === "stale") {
    c.strokeStyle = "rgba(255, 214, 92, .8)";
    for (const s of [-10, 0, 10]) line([s, 0], [s + size, size]);
  } else {
    c.fillStyle = "rgba(205, 180, 255, .9)";
    for (const [x, y] of [[2.5, 2.5], [7.5, 7.5]]) {
      c.beginPath();
      c.arc(x, y, 1.2, 0, 7);
      c.fill();
    }
  }
  tiles[mark] = canvas;
  return canvas;
}

function pixel(colour, alpha) {
  if (!colour) return 0;
  const v = parseInt(colour.slice(1), 16);
  return ((alpha << 24) | ((v & 255) << 16) | (((v >> 8) & 255) << 8) | (v >> 16)) >>> 0;
}

const bigger = () => document.createElement("canvas");

/** Image of codes: row 0 is the south, so rows are turned over. */
function image(codes, grid, table) {
  const { nx, ny } = grid;
  const data = new ImageData(nx, ny);
  const out = new Uint32Array(data.data.buffer);
  for (let row = 0; row < ny; row += 1) {
    const from = (ny - 1 - row) * nx;
    for (let k = 0; k < nx; k += 1) out[row * nx + k] = table[codes[from + k]];
  }
  const canvas = Object.assign(bigger(), { width: nx, height: ny });
  canvas.getContext("2d").putImageData(data, 0, 0);
  return canvas;
}

export class Field {
  constructor(canvas, view) {
    this.canvas = canvas;
    this.view = view;
    this.scratch = bigger();
    this.shown = null;
  }

  /** Take a frame; null shows nothing. */
  set(codes, grid, scale) {
    if (!codes) {
      this.shown = null;
      return;
    }
    const colours = Uint32Array.from(scale.colours, (c) => pixel(c, 235));
    const present = new Set(codes);
    const masks = [];
    for (const mark of Object.keys(MARKS)) {
      const marked = scale.marks.map((m, code) => m === mark && present.has(code));
      if (!marked.includes(true)) continue;
      const table = Uint32Array.from(marked, (m) => (m ? 0xffffffff : 0));
      masks.push({ mark, mask: image(codes, grid, table) });
    }
    this.shown = { codes, grid, scale, picture: image(codes, grid, colours), masks };
  }

  /** Code and value at a place of the plane; null outside. */
  at(x, y) {
    if (!this.shown) return null;
    const { codes, grid, scale } = this.shown;
    const column = Math.floor(x / grid.spacing_m), row = Math.floor(y / grid.spacing_m);
    if (column < 0 || row < 0 || column >= grid.nx || row >= grid.ny) return null;
    const code = codes[row * grid.nx + column];
    return { code, value: scale.values[code], mark: scale.marks[code] };
  }

  draw(ratio, domain) {
    const c = this.canvas.getContext("2d");
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.fillStyle = "#070c10";
    c.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.view.apply(c, ratio);
    c.fillStyle = "#0e1a22";
    c.fillRect(0, 0, domain.nx * domain.spacing_m, domain.ny * domain.spacing_m);
    if (!this.shown) return;
    this.place(c, this.shown.picture, ratio);
    for (const { mark, mask } of this.shown.masks) this.hatch(c, mark, mask, ratio);
  }

  place(context, picture, ratio) {
    const { nx, ny, spacing_m: d } = this.shown.grid;
    this.view.apply(context, ratio);
    context.imageSmoothingEnabled = false;
    context.save();
    context.scale(1, -1);
    context.drawImage(picture, 0, -ny * d, nx * d, ny * d);
    context.restore();
  }

  hatch(context, mark, mask, ratio) {
    const s = this.scratch;
    s.width = this.canvas.width;
    s.height = this.canvas.height;
    const c = s.getContext("2d");
    this.place(c, mask, ratio);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.globalCompositeOperation = "source-in";
    c.fillStyle = c.createPattern(tile(mark), "repeat");
    c.fillRect(0, 0, s.width, s.height);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(s, 0, 0);
  }
}
