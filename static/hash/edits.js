// The edits under which a photo is searched (demur/similarity/edits.py says why, and which): the photo is filtered once, and an edit is a
// choice of the 64 × 64 places where it is sampled. Places are whole numbers all the way, so that both sides choose the same pixels.

import { ALL_ORIENTATIONS } from "./orientations.js";
import { blurred, pdq, pdqOf } from "./pdq.js";
import { phash, phashOf } from "./phash.js";

const SIDE = 64;
const MIN_QUALITY = 50; // a hash of less texture than this is not compared
const QUALITY_FOR_EDITS = 100; // of a photo that is searched under edits
const GREY = 128; // stands for every shade of a bar across the whole photo
const AS_IS_AND_MIRRORED = [0, 5];
const TRIMMED = "trimmed of its frame";

/**
 * The photo in every way in which it is searched: as it stands in its eight orientations; then trimmed, where it has a frame, in all eight;
 * then under each edit, as it stands and mirrored. What has too little texture is left out, the photo itself excepted.
 * @param {{width: number, height: number, data: Uint8Array}} luma
 * @returns {{edit: string, dihedral: number, phash: string, pdq: string, quality: number}[]}
 */
export function variants(luma) {
  const whole = hashed("", luma);
  const bare = trimmed(luma);
  const found = bare ? hashed(TRIMMED, bare) : [];
  if (whole[0].quality >= QUALITY_FOR_EDITS) {
    const plane = blurred(luma);
    found.push(...EDITS.flatMap((edit) => edited(edit, plane)));
  }
  return [...whole, ...found.filter(({ quality }) => quality >= MIN_QUALITY)];
}

function hashed(edit, luma) {
  return named(edit, ALL_ORIENTATIONS, phash(luma), pdq(luma));
}

function edited(edit, plane) {
  const samples = sampled(edit, plane);
  return named(edit.name, AS_IS_AND_MIRRORED, phashOf(halved(samples), AS_IS_AND_MIRRORED), pdqOf(samples, AS_IS_AND_MIRRORED));
}

function named(edit, orientations, phashes, { quality, hashes }) {
  return orientations.map((dihedral, i) => ({ edit, dihedral, phash: phashes[i], pdq: hashes[i], quality }));
}

/** The 64 × 64 samples of a filtered photo under an edit; outside of the photo lies the edit's shade, or the photo's edge repeated. */
function sampled({ placesOf, shade }, { width, height, data }) {
  const placeOf = placesOf(width, height);
  const samples = new Float32Array(SIDE * SIDE);
  for (let i = 0, at = 0; i < SIDE; i++) {
    for (let j = 0; j < SIDE; j++, at++) {
      const [x, y] = placeOf(2 * j + 1, 2 * i + 1);
      const outside = x < 0 || x >= width || y < 0 || y >= height;
      samples[at] = outside && shade !== undefined ? shade : data[clip(y, height) * width + clip(x, width)];
    }
  }
  return samples;
}

function clip(at, length) {
  return Math.min(Math.max(at, 0), length - 1);
}

/** The 32 × 32 picture of pHash: means of four, rounded half up, in 32-bit floats. */
function halved(samples) {
  const half = SIDE / 2;
  const small = new Uint8Array(half * half);
  for (let at = 0; at < small.length; at++) {
    const corner = 2 * SIDE * Math.floor(at / half) + 2 * (at % half);
    let sum = Math.fround(samples[corner] + samples[corner + 1]);
    sum = Math.fround(sum + samples[corner + SIDE]);
    sum = Math.fround(sum + samples[corner + SIDE + 1]);
    small[at] = Math.floor(Math.fround(sum / 4 + 0.5));
  }
  return small;
}

// --- frames ---

const FRAME_SHADES = 8; // grey levels by which a frame's pixels may differ from its shade: JPEG leaves that much
const LEAST_LEFT = 8; // a trim that would leave less than an eighth of a side has taken the picture itself for a frame

/** The picture without the rows, then the columns, at its rim that are mostly of one shade; null where there are none. */
export function trimmed(luma) {
  const { width, height } = luma;
  const [top, bottom] = between(height, (y) => row(luma, y, 0, width));
  const [left, right] = top < bottom ? between(width, (x) => column(luma, x, top, bottom)) : [0, 0];
  if ((right - left) * LEAST_LEFT < width || (bottom - top) * LEAST_LEFT < height) return null;
  if (right - left === width && bottom - top === height) return null;
  const data = new Uint8Array((right - left) * (bottom - top));
  for (let y = top; y < bottom; y++) data.set(row(luma, y, left, right), (y - top) * (right - left));
  return { width: right - left, height: bottom - top, data };
}

function row({ width, data }, y, left, right) {
  return data.subarray(y * width + left, y * width + right);
}

function column({ width, data }, x, top, bottom) {
  return Uint8Array.from({ length: bottom - top }, (_, y) => data[(top + y) * width + x]);
}

/** (First, behind the last) of the `count` lines between those at the rim that are mostly of one shade. */
function between(count, lineAt) {
  return [leading(count, lineAt), count - leading(count, (at) => lineAt(count - 1 - at))];
}

/** How many lines from the first are mostly of its median shade. */
function leading(count, lineAt) {
  const first = lineAt(0).slice().sort();
  const shade = first[first.length >> 1];
  let at = 0;
  while (at < count && 2 * lineAt(at).filter((value) => Math.abs(value - shade) <= FRAME_SHADES).length >= first.length) at++;
  return at;
}

// --- places ---
// A function of the photo's (width, height) that answers a function of a sample's (across, down), in 1/128 of the sides.

const CELLS = 2 * SIDE;

/** Along a line; `start` and `length` in thousandths of a pixel. */
function along(start, length, sample) {
  return Math.floor((start * CELLS + sample * length) / (1000 * CELLS));
}

/** Over a rectangle, all in thousandths of a pixel. */
function rectangle(left, top, across, down) {
  return (x, y) => [along(left, across, x), along(top, down, y)];
}

/** What cutting the sides off leaves: left, top, right, bottom in thousandths of the photo's; added where negative. */
function within([left, top, right, bottom]) {
  return (width, height) => rectangle(left * width, top * height, (1000 - left - right) * width, (1000 - top - bottom) * height);
}

/** With a border, equally wide on all sides, in thousandths of the shorter one. */
function around(border) {
  return (width, height) => {
    const wide = border * Math.min(width, height);
    return rectangle(-wide, -wide, 1000 * width + 2 * wide, 1000 * height + 2 * wide);
  };
}

/** The square in the middle. */
function square(width, height) {
  const side = Math.min(width, height);
  return rectangle(500 * (width - side), 500 * (height - side), 1000 * side, 1000 * side);
}

/** In the middle of the smallest canvas of `wide` to `high` that holds the whole photo. */
function canvas(wide, high) {
  return (width, height) => {
    const across = Math.max(1000 * width, Math.floor((1000 * height * wide) / high));
    const down = Math.max(1000 * height, Math.floor((1000 * width * high) / wide));
    return rectangle(Math.floor((1000 * width - across) / 2), Math.floor((1000 * height - down) / 2), across, down);
  };
}

const UNIT = 1 << 16;
const [COSINE, SINE] = [65496, 2287]; // of two degrees, in 1/65536

/** Turned about the middle by two degrees, anticlockwise for `turn` = 1, else -1; of each side `kept` thousandths. */
function tilted(turn, kept = () => 1000) {
  return (width, height) => {
    const pixel = 1000 * CELLS * UNIT;
    const share = kept(width, height);
    return (x, y) => {
      const [across, down] = [(x - SIDE) * width * share, (y - SIDE) * height * share];
      return [
        Math.floor((Math.floor((width * pixel) / 2) + across * COSINE - down * SINE * turn) / pixel),
        Math.floor((Math.floor((height * pixel) / 2) + across * SINE * turn + down * COSINE) / pixel),
      ];
    };
  };
}

/** Tilted, and cut to the largest rectangle of the photo's shape that lies inside of it. */
function straightened(turn) {
  return tilted(turn, (width, height) => {
    const [shorter, longer] = [Math.min(width, height), Math.max(width, height)];
    return Math.floor((1000 * UNIT * shorter) / (shorter * COSINE + longer * SINE));
  });
}

/** `percent` of the photo's sides cut off; added where negative. */
function cropped(percent, sides) {
  return within(sides.map((side) => side * percent * 10));
}

/** What the photo is a crop of; `percent` of the sides as they were. */
function grown(percent, [left, top, right, bottom]) {
  const added = (side, both) => Math.floor((-1000 * percent * side) / (100 - percent * both));
  return within([added(left, left + right), added(top, top + bottom), added(right, left + right), added(bottom, top + bottom)]);
}

// --- the table, in the order of the server's ---

const ON_ALL_SIDES = [1, 1, 1, 1];
const ON = { "on the left": [1, 0, 0, 0], "at the top": [0, 1, 0, 0], "on the right": [0, 0, 1, 0], "at the bottom": [0, 0, 0, 1] };
const IN_A_CORNER = {
  "on the left and at the top": [1, 1, 0, 0],
  "on the right and at the top": [0, 1, 1, 0],
  "on the left and at the bottom": [1, 0, 0, 1],
  "on the right and at the bottom": [0, 0, 1, 1],
};
const SHADES = { white: 255, black: 0 };
const TURNS = { left: 1, right: -1 };
const perSide = (make) => Object.entries(ON).flatMap(([where, sides]) => make(where, sides));
const perShade = (make) => Object.entries(SHADES).flatMap(([name, shade]) => make(name, shade));
const perTurn = (make) => Object.entries(TURNS).map(([hand, turn]) => make(hand, turn));
const edit = (name, placesOf, shade) => ({ name, placesOf, shade });
const bars = (where) => [10, 14, 18].map((c) => edit(`a bar of ${c} % ${where}`, cropped(-c, ON[where]), GREY));

const EDITS = [
  ...[2, 5, 8, 11, 14, 17, 20].map((c) => edit(`cropped ${c} % on all sides`, cropped(c, ON_ALL_SIDES))),
  ...perSide((where, sides) => [4, 8, 12, 16, 20].map((c) => edit(`cropped ${c} % ${where}`, cropped(c, sides)))),
  ...Object.entries(IN_A_CORNER).flatMap(([where, sides]) => [5, 10].map((c) => edit(`cropped ${c} % ${where}`, cropped(c, sides)))),
  edit("cropped to a square", square),
  ...perShade((name, shade) => [3, 7, 11].map((c) => edit(`${name} border of ${c} %`, around(10 * c), shade))),
  ...["at the top", "at the bottom"].flatMap(bars),
  edit("in a square", canvas(1, 1), GREY),
  edit("on a phone's screen", canvas(6, 13), GREY),
  ...perTurn((hand, turn) => edit(`tilted to the ${hand}`, tilted(turn), 0)),
  ...perTurn((hand, turn) => edit(`straightened to the ${hand}`, straightened(turn))),
  ...[2, 5, 8].map((c) => edit(`before a crop of ${c} % on all sides`, grown(c, ON_ALL_SIDES))),
  ...perSide((where, sides) => [5, 10, 15].map((c) => edit(`before a crop of ${c} % ${where}`, grown(c, sides)))),
];
