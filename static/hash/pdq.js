// PDQ, bit for bit as Meta's C++ computes it (ThreatExchange, pdq/cpp/hashing): every sum and product is rounded to 32-bit float, in the
// same order, since a frequency next to the median keeps its side only so.

import { hex } from "./hex.js";

const SIDE = 64;
const KEPT = 16;
const PASSES = 2;
const SMALLEST = 5; // below this side PDQ says nothing
const round = Math.fround;

/** What `pdqhash` makes of a grey (v, v, v) pixel: not always v. */
const GREY = Float32Array.from({ length: 256 }, (_, v) => v * 0.299 + v * 0.587 + v * 0.114);

const SCALE = round(Math.sqrt(2 / SIDE));
const COSINES = Float32Array.from({ length: KEPT * SIDE }, (_, at) => {
  const frequency = Math.floor(at / SIDE) + 1;
  return SCALE * Math.cos((Math.PI / 2 / SIDE) * frequency * (2 * (at % SIDE) + 1));
});

/** The orientations as sign changes of frequencies (i down, j across), of which half also swap i and j. */
const ORIENTATIONS = [
  { swap: false, negative: () => false },
  { swap: true, negative: (i, j) => j % 2 === 0 },
  { swap: false, negative: (i, j) => (i + j) % 2 === 1 },
  { swap: true, negative: (i, j) => i % 2 === 0 },
  { swap: false, negative: (i, j) => i % 2 === 0 },
  { swap: false, negative: (i, j) => j % 2 === 0 },
  { swap: true, negative: () => false },
  { swap: true, negative: (i, j) => (i + j) % 2 === 1 },
];

/**
 * @param {{width: number, height: number, data: Uint8Array}} luma
 * @returns {{quality: number, hashes: string[]}} quality 0 to 100; 64 hex digits for each of the eight orientations
 */
export function pdq(luma) {
  if (luma.width < SMALLEST || luma.height < SMALLEST) return { quality: 0, hashes: ORIENTATIONS.map(() => "0".repeat(64)) };
  const small = sampled(blurred(luma), luma);
  const frequencies = lowFrequencies(small);
  return { quality: quality(small), hashes: ORIENTATIONS.map((orientation) => hashOf(turned(frequencies, orientation))) };
}

function blurred({ width, height, data }) {
  const across = boxWidth(width);
  const down = boxWidth(height);
  const plane = Float32Array.from(data, (v) => GREY[v]);
  const other = new Float32Array(plane.length);
  for (let pass = 0; pass < PASSES; pass++) {
    for (let row = 0; row < height; row++) box(plane, other, row * width, width, 1, across);
    for (let column = 0; column < width; column++) box(other, plane, column, height, width, down);
  }
  return plane;
}

function boxWidth(length) {
  return Math.floor((length + 2 * SIDE - 1) / (2 * SIDE));
}

/** Running means over `window` neighbours along a line of `length` numbers that lie `step` apart; fewer at its ends. */
function box(from, to, start, length, step, window) {
  const half = Math.floor((window + 2) / 2);
  let left = start;
  let right = start;
  let out = start;
  let sum = 0;
  let count = 0;
  for (; count < half - 1; count++, right += step) sum = round(sum + from[right]);
  for (; count < window; right += step, out += step) {
    sum = round(sum + from[right]);
    to[out] = sum / ++count;
  }
  for (let i = window; i < length; i++, left += step, right += step, out += step) {
    sum = round(round(sum + from[right]) - from[left]);
    to[out] = sum / count;
  }
  for (let i = 1; i < half; i++, left += step, out += step) {
    sum = round(sum - from[left]);
    to[out] = sum / --count;
  }
}

function sampled(plane, { width, height }) {
  const small = new Float32Array(SIDE * SIDE);
  for (let i = 0; i < SIDE; i++) {
    const row = Math.trunc(((i + 0.5) * height) / SIDE);
    for (let j = 0; j < SIDE; j++) small[i * SIDE + j] = plane[row * width + Math.trunc(((j + 0.5) * width) / SIDE)];
  }
  return small;
}

/** The sum of the gradients worth counting, scaled: a flat picture has none. */
function quality(small) {
  let sum = 0;
  for (let at = 0; at < SIDE * (SIDE - 1); at++) sum += gradient(small[at], small[at + SIDE]);
  for (let at = 0; at < SIDE * SIDE; at++) if (at % SIDE < SIDE - 1) sum += gradient(small[at], small[at + 1]);
  return Math.min(Math.trunc(sum / 90), 100);
}

function gradient(u, v) {
  return Math.abs(Math.trunc(round(round(round(u - v) * 100) / 255)));
}

/** Frequencies 1 to 16 in both directions, row-major. */
function lowFrequencies(small) {
  const down = new Float32Array(KEPT * SIDE);
  const out = new Float32Array(KEPT * KEPT);
  for (let i = 0; i < KEPT; i++) {
    for (let j = 0; j < SIDE; j++) down[i * SIDE + j] = dot(COSINES, i * SIDE, small, j, SIDE);
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

function turned(frequencies, { swap, negative }) {
  const out = new Float32Array(frequencies.length);
  frequencies.forEach((value, at) => {
    const i = Math.floor(at / KEPT);
    const j = at % KEPT;
    out[swap ? j * KEPT + i : at] = negative(i, j) ? -value : value;
  });
  return out;
}

function hashOf(frequencies) {
  const median = torben(frequencies);
  return hex(frequencies.length, (bit) => frequencies[frequencies.length - 1 - bit] > median);
}

/** The median by Torben Mogensen's bisection, whose answer for an even count is PDQ's own. */
function torben(numbers) {
  const half = Math.floor((numbers.length + 1) / 2);
  let low = Math.min(...numbers);
  let high = Math.max(...numbers);
  for (;;) {
    const guess = round(round(low + high) / 2);
    let [less, greater, below, above] = [0, 0, low, high];
    for (const number of numbers) {
      if (number < guess) {
        less++;
        if (number > below) below = number;
      } else if (number > guess) {
        greater++;
        if (number < above) above = number;
      }
    }
    if (less <= half && greater <= half) {
      if (less >= half) return below;
      return numbers.length - greater >= half ? guess : above;
    }
    if (less > greater) high = below;
    else low = above;
  }
}
