// The plane of the grid: metres from its south-western corner, and the view onto it.

export class View {
  constructor(canvas) {
    this.canvas = canvas;
    this.x = 0;
    this.y = 0;
    this.k = 0.002;
  }

  get width() { return this.canvas.clientWidth; }
  get height() { return this.canvas.clientHeight; }

  /** Metres to CSS pixels. */
  toScreen(x, y) {
    return [this.width / 2 + (x - this.x) * this.k, this.height / 2 - (y - this.y) * this.k];
  }

  /** CSS pixels to metres. */
  toPlane(px, py) {
    return [this.x + (px - this.width / 2) / this.k, this.y - (py - this.height / 2) / this.k];
  }

  /** Zoom by a factor and keep the place under a pixel. */
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toPlane(px, py);
    this.k = Math.min(0.2, Math.max(0.0008, this.k * factor));
    this.x = x - (px - this.width / 2) / this.k;
    this.y = y + (py - this.height / 2) / this.k;
  }

  /** Show a box [west, south, east, north] whole. */
  fit([west, south, east, north], margin = 1.08) {
    this.x = (west + east) / 2;
    this.y = (south + north) / 2;
    const k = Math.min(this.width / (east - west), this.height / (north - south)) / margin;
    this.k = Math.min(0.05, Math.max(0.0008, k));
  }

  /** Set a context to draw in metres. */
  apply(context, ratio) {
    const k = this.k * ratio;
    context.setTransform(
      k, 0, 0, -k,
      (this.width / 2) * ratio - this.x * k, (this.height / 2) * ratio + this.y * k,
    );
  }
}

/** Degrees at a place in the plane, from the service's lattice (bilinear, to a few metres). */
export function lonLat(map, x, y) {
  const { n, lon, lat } = map.lattice;
  const { nx, ny, spacing_m: d } = map.grid;
  const u = Math.min(Math.max((x / (nx * d)) * (n - 1), 0), n - 1.000001);
  const v = Math.min(Math.max((y / (ny * d)) * (n - 1), 0), n - 1.000001);
  const i = Math.floor(u), j = Math.floor(v), a = u - i, b = v - j, at = j * n + i;
  const mix = (f) =>
    (1 - b) * ((1 - a) * f[at] + a * f[at + 1]) + b * ((1 - a) * f[at + n] + a * f[at + n + 1]);
  return { lon: mix(lon), lat: mix(lat) };
}

/** The place in the plane of degrees: the lattice inverted by fixed-point steps. */
export function planeOf(map, lon, lat) {
  const { nx, ny, spacing_m: d } = map.grid;
  let x = (nx * d) / 2, y = (ny * d) / 2;
  for (let step = 0; step < 12; step += 1) {
    const here = lonLat(map, x, y);
    x += (lon - here.lon) * 111320 * Math.cos((lat * Math.PI) / 180);
    y += (lat - here.lat) * 110950;
  }
  return [x, y];
}

/** Row, column and number of the cell of a grid at a place; null outside. */
export function cellAt(grid, x, y) {
  const column = Math.floor(x / grid.spacing_m), row = Math.floor(y / grid.spacing_m);
  if (column < 0 || row < 0 || column >= grid.nx || row >= grid.ny) return null;
  return { row, column, id: row * grid.nx + column };
}

/** The outline (county or neighbour) at a place. */
export function outlineAt(outlines, x, y) {
  return outlines.find((outline) => {
    let inside = false;
    for (const ring of outline.rings) {
      for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
        const xi = ring[i], yi = ring[i + 1], xj = ring[j], yj = ring[j + 1];
        if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
      }
    }
    return inside;
  });
}

/** Box of the outlines of the city. */
export function cityBox(map) {
  const rings = map.outlines.filter((o) => o.mine).flatMap((o) => o.rings);
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of rings) {
    for (let i = 0; i < ring.length; i += 2) {
      box[0] = Math.min(box[0], ring[i]);
      box[1] = Math.min(box[1], ring[i + 1]);
      box[2] = Math.max(box[2], ring[i]);
      box[3] = Math.max(box[3], ring[i + 1]);
    }
  }
  return box;
}

/** Move everything of the map answer to the grid's corner, so that numbers stay small. */
export function fromCorner(map) {
  const { x0_m: x0, y0_m: y0 } = map.grid;
  const move = (flat) => flat.map((value, k) => value - (k % 2 ? y0 : x0));
  for (const outline of map.outlines) {
    outline.rings = outline.rings.map(move);
    outline.label = move(outline.label);
  }
  for (const river of map.rivers) river.lines = river.lines.map(move);
  return map;
}
