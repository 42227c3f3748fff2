// PDQ, bit for bit as Meta's C++ computes it (ThreatExchange, pdq/cpp/hashing): every sum and product is rounded to 32-bit float, in the
// same order, since a frequency next to the median keeps its side only so.

import { hex } from "./hex.js";
import { ALL_ORIENTATIONS, turned } from "./orientations.js";

const SIDE = 64;
const KEPT = 16;
const SMALLEST = 5; // below this side PDQ says nothing
const round = Math.fround;

const SCALE = round(Math.sqrt(2 / SIDE));
const COSINES = Float32Array.from({ length: KEPT * SIDE }, (_, at) => {
  const frequency = Math.floor(at / SIDE) + 1;
  return SCALE * Math.cos((Math.PI / 2 / SIDE) * frequency * (2 * (at % SIDE) + 1));
});

/**
 * @param {{width: number, height: number, data: Uint8Array}} luma
 * @returns {{quality: number, hashes: string[]}} quality 0 to 100; 64 hex digits for each of the eight orientations
 */
export function pdq(luma) {
  const { width, height } = luma;
  if (Math.min(width, height) < SMALLEST) return { quality: 0, hashes: ALL_ORIENTATIONS.map(() => "0".repeat(64)) };
  return pdqOf(filtered(luma, centres(width), centres(height)).data, ALL_ORIENTATIONS);
}

/** `pdq` of a picture that is filtered, and sampled at 64 × 64 places already, in some orientations. */
export function pdqOf(samples, orientations) {
  return { quality: quality(samples), hashes: turned(lowFrequencies(samples), KEPT, 1, orientations).map(hashOf) };
}

/** The filtered picture that PDQ samples, at every pixel. */
export function blurred(luma) {
  return filtered(luma, every(luma.width), every(luma.height));
}

/** Two passes of the box filter over rows and columns, the last ones only where they are wanted. */
function filtered(luma, columns, rows) {
  const once = boxed(boxed(luma, every(luma.width)), every(luma.height));
  return boxed(boxed(once, columns), rows);
}

function every(length) {
  return Array.from({ length }, (_, at) => at);
}

function centres(length) {
  return Array.from({ length: SIDE }, (_, cell) => Math.trunc(((cell + 0.5) * length) / SIDE));
}

/**
 * The box filter along every row, at the `wanted` columns, ascending. The answer is transposed: the next filter takes the columns.
 * The sums slide: a value is added before the one left behind is taken off, and errors of rounding stay in them.
 */
function boxed({ width, height, data }, wanted) {
  const window = Math.floor((width + 2 * SIDE - 1) / (2 * SIDE));
  const ahead = window >> 1;
  const columns = transposed(data, width, height);
  const filtered = new Float32Array(wanted.length * height);
  const sums = new Float32Array(height);
  for (let end = 0, written = 0; written < wanted.length; end++) {
    if (end < width) add(sums, columns, end * height);
    if (end >= window) subtract(sums, columns, (end - window) * height);
    const pixels = Math.min(end + 1, width) - Math.max(end + 1 - window, 0);
    while (wanted[written] === end - ahead) divide(sums, pixels, filtered, written++ * height);
  }
  return { width: height, height: wanted.length, data: filtered };
}

function transposed(data, width, height) {
  const out = new Float32Array(data.length);
  for (let y = 0, at = 0; y < height; y++) for (let x = 0; x < width; x++, at++) out[x * height + y] = data[at];
  return out;
}

function add(sums, numbers, start) {
  for (let i = 0; i < sums.length; i++) sums[i] += numbers[start + i];
}

function subtract(sums, numbers, start) {
  for (let i = 0; i < sums.length; i++) sums[i] -= numbers[start + i];
}

function divide(sums, by, to, start) {
  for (let i = 0; i < sums.length; i++) to[start + i] = sums[i] / by;
}

/** The sum of the gradients worth counting, scaled: a flat picture has none. */
function quality(samples) {
  let sum = 0;
  for (let at = 0; at < SIDE * (SIDE - 1); at++) sum += gradient(samples[at], samples[at + SIDE]);
  for (let at = 0; at < SIDE * SIDE; at++) if (at % SIDE < SIDE - 1) sum += gradient(samples[at], samples[at + 1]);
  return Math.min(Math.trunc(sum / 90), 100);
}

function gradient(u, v) {
  return Math.abs(Math.trunc(round(round(round(u - v) * 100) / 255)));
}

/** Frequencies 1 to 16 in both directions, row-major. */
function lowFrequencies(samples) {
  const down = new Float32Array(KEPT * SIDE);
  const out = new Float32Array(KEPT * KEPT);
  for (let i = 0; i < KEPT; i++) {
    for (let j = 0; j < SIDE; j++) down[i * SIDE + j] = dot(COSINES, i * SIDE, samples, j, SIDE);
  }
  for (let i = 0; i < KEPT; i++) {
    for (let j = 0; j < KEPT; j++) out[i * KEPT + j] = dot(COSINES, j * SIDE, down, i * SIDE, 1);
  }
  return out;
}

function dot(cosines, from, numbers, start, step) {
  let sum = round(0);
  for (let k = 0, at = start; k < SIDE; k++, at += step) sum = round(sum + round(cosines[from + k] * numbers[at]));
  return sum;
}

/** The coefficients above their lower median, the last one in the highest bit. */
function hashOf(coefficients) {
  const median = coefficients.slice().sort()[coefficients.length / 2 - 1];
  return hex(coefficients.length, (bit) => coefficients[coefficients.length - 1 - bit] > median);
}
