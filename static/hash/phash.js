// The 64-bit perceptual hash of a luma plane in its eight orientations, bit for bit as `imagehash.phash` on Pillow computes it: resize to
// 32 × 32, cosine transform, and of the 8 × 8 lowest frequencies which exceed their median.

import { dct32 } from "./dct32.js";
import { hex } from "./hex.js";
import { ALL_ORIENTATIONS, turned } from "./orientations.js";

const SIDE = 32;
const KEPT = 8;
const PRECISION_BITS = 22; // Pillow's fixed point: 32 bits less 8 of the pixel and 2 for the filter's overshoot
const SUPPORT = 3;

/**
 * @param {{width: number, height: number, data: Uint8Array}} luma
 * @returns {string[]} 16 hex digits for each of the eight orientations; the first is the plane as it stands
 */
export function phash(luma) {
  return phashOf(thumbnail(luma), ALL_ORIENTATIONS);
}

/** `phash` of a picture that is 32 × 32 already, in some orientations. */
export function phashOf(small, orientations) {
  return turned(lowestFrequencies(small), KEPT, 0, orientations).map(hashOf);
}

/** Pillow's `resize((32, 32), LANCZOS)` of an 8-bit plane: width first, unless height shrinks more than twice as much. */
export function thumbnail({ width, height, data }) {
  const rowsFirst = height <= SIDE || height - SIDE <= 2 * (width - SIDE);
  if (rowsFirst) return transposed(down(across(data, width, height), SIDE, height), SIDE, SIDE);
  return across(transposed(down(data, width, height), SIDE, width), width, SIDE);
}

/** Every row to 32 pixels. */
function across(data, width, height) {
  return narrowed(data, width, height, 1, width);
}

/** Every column to 32 pixels; the answer is transposed. */
function down(data, width, height) {
  return narrowed(data, height, width, width, 1);
}

/** `count` lines of `length` pixels, each resized to 32 and rounded to 8 bits. A line's pixels lie `step` apart, and lines `next` apart. */
function narrowed(data, length, count, step, next) {
  const taps = Array.from({ length: SIDE }, (_, x) => tapsOf(x, length));
  const out = new Uint8Array(SIDE * count);
  for (let line = 0; line < count; line++) {
    for (let x = 0; x < SIDE; x++) {
      out[line * SIDE + x] = length === SIDE ? data[line * next + x * step] : mixed(data, line * next, step, taps[x]);
    }
  }
  return out;
}

function mixed(data, start, step, { first, weights }) {
  let sum = 1 << (PRECISION_BITS - 1);
  for (let i = 0, at = start + first * step; i < weights.length; i++, at += step) sum = (sum + data[at] * weights[i]) | 0;
  return Math.min(Math.max(sum >> PRECISION_BITS, 0), 255);
}

function transposed(data, width, height) {
  const out = new Uint8Array(data.length);
  for (let y = 0, at = 0; y < height; y++) for (let x = 0; x < width; x++, at++) out[x * height + y] = data[at];
  return out;
}

/** For output x of 32, the first input and the integer weights of Pillow's Lanczos filter over `length` inputs. */
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

/** The 8 × 8 lowest frequencies of the thumbnail's transform: columns first, as SciPy is called. */
function lowestFrequencies(small) {
  const line = new Float64Array(SIDE);
  const down = new Float64Array(KEPT * SIDE);
  const lowest = new Float64Array(KEPT * KEPT);
  for (let column = 0; column < SIDE; column++) {
    for (let row = 0; row < SIDE; row++) line[row] = small[row * SIDE + column];
    dct32(line);
    for (let row = 0; row < KEPT; row++) down[row * SIDE + column] = line[row];
  }
  for (let row = 0; row < KEPT; row++) {
    line.set(down.subarray(row * SIDE, (row + 1) * SIDE));
    dct32(line);
    lowest.set(line.subarray(0, KEPT), row * KEPT);
  }
  return lowest;
}

function hashOf(frequencies) {
  const sorted = frequencies.slice().sort();
  const median = (sorted[31] + sorted[32]) / 2;
  return hex(frequencies.length, (bit) => frequencies[bit] > median);
}
