// The 64-bit perceptual hash of a luma plane in its eight orientations, bit for bit as `imagehash.phash` on Pillow computes it: resize to
// 32 × 32, cosine transform, and of the 8 × 8 lowest frequencies which exceed their median.

import { dct32 } from "./dct32.js";
import { hex } from "./hex.js";

const SIDE = 32;
const KEPT = 8;
const PRECISION_BITS = 22; // Pillow's fixed point: 32 bits less 8 of the pixel and 2 for the filter's overshoot
const SUPPORT = 3;

/** Where (row, column) of each orientation is read from, in the order of `pdqhash.compute_dihedral`. */
const ORIENTATIONS = [
  (row, column) => [row, column],
  (row, column) => [column, SIDE - 1 - row],
  (row, column) => [SIDE - 1 - row, SIDE - 1 - column],
  (row, column) => [SIDE - 1 - column, row],
  (row, column) => [SIDE - 1 - row, column],
  (row, column) => [row, SIDE - 1 - column],
  (row, column) => [column, row],
  (row, column) => [SIDE - 1 - column, SIDE - 1 - row],
];
const SOURCES = ORIENTATIONS.map((source) =>
  Uint16Array.from({ length: SIDE * SIDE }, (_, at) => {
    const [row, column] = source(Math.floor(at / SIDE), at % SIDE);
    return row * SIDE + column;
  }),
);

/**
 * @param {{width: number, height: number, data: Uint8Array}} luma
 * @returns {string[]} 16 hex digits for each of the eight orientations; the first is the plane as it stands
 */
export function phash(luma) {
  const small = thumbnail(luma);
  return SOURCES.map((source) => hashOf(small, source));
}

/** Pillow's `resize((32, 32), LANCZOS)` of an 8-bit plane: across, then down, each rounded to 8 bits. */
export function thumbnail({ width, height, data }) {
  const across = width === SIDE ? data : resizeRows(data, width, height, 1, width);
  return height === SIDE ? across : transposed(resizeRows(across, height, SIDE, SIDE, 1));
}

/** `count` lines of `length` pixels, each resized to 32. A line's pixels lie `step` apart, and lines `next` apart. */
function resizeRows(data, length, count, step, next) {
  const taps = lanczos(length);
  const out = new Uint8Array(SIDE * count);
  for (let line = 0; line < count; line++) {
    for (let x = 0; x < SIDE; x++) {
      const { first, weights } = taps[x];
      let sum = 1 << (PRECISION_BITS - 1);
      let at = line * next + first * step;
      for (let i = 0; i < weights.length; i++, at += step) sum = (sum + data[at] * weights[i]) | 0;
      sum >>= PRECISION_BITS;
      out[line * SIDE + x] = sum < 0 ? 0 : sum > 255 ? 255 : sum;
    }
  }
  return out;
}

function transposed(square) {
  return square.map((_, at) => square[(at % SIDE) * SIDE + Math.floor(at / SIDE)]);
}

const kept = new Map();

/** For each of 32 outputs, the first input and the integer weights of Pillow's Lanczos filter over `length` inputs. */
function lanczos(length) {
  if (!kept.has(length)) {
    if (kept.size > 64) kept.clear();
    kept.set(length, Array.from({ length: SIDE }, (_, x) => tapsOf(x, length)));
  }
  return kept.get(length);
}

function tapsOf(x, length) {
  const scale = length / SIDE;
  const stretch = Math.max(scale, 1);
  const centre = (x + 0.5) * scale;
  const first = Math.max(Math.trunc(centre - SUPPORT * stretch + 0.5), 0);
  const end = Math.min(Math.trunc(centre + SUPPORT * stretch + 0.5), length);
  const shares = Array.from({ length: end - first }, (_, i) => windowedSinc((i + first - centre + 0.5) * (1 / stretch)));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return { first, weights: Int32Array.from(shares, (share) => fixed(share / total)) };
}

function fixed(share) {
  return Math.trunc((share < 0 ? -0.5 : 0.5) + share * (1 << PRECISION_BITS));
}

function windowedSinc(x) {
  return x >= -SUPPORT && x < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0;
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI);
}

const line = new Float64Array(SIDE);
const down = new Float64Array(KEPT * SIDE);
const lowest = new Float64Array(KEPT * KEPT);

function hashOf(small, source) {
  for (let column = 0; column < SIDE; column++) {
    for (let row = 0; row < SIDE; row++) line[row] = small[source[row * SIDE + column]];
    dct32(line);
    for (let row = 0; row < KEPT; row++) down[row * SIDE + column] = line[row];
  }
  for (let row = 0; row < KEPT; row++) {
    line.set(down.subarray(row * SIDE, (row + 1) * SIDE));
    dct32(line);
    lowest.set(line.subarray(0, KEPT), row * KEPT);
  }
  const sorted = lowest.slice().sort();
  const median = (sorted[31] + sorted[32]) / 2;
  return hex(lowest.length, (bit) => lowest[bit] > median);
}
