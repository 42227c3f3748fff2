// From a file to the one small upright luma plane that every hash starts from, in the server's steps (docs/formats/fingerprint.md): JPEG
// averaged to 1/2, 1/4 or 1/8 as its decoder scales, then whole boxes, the shorter side 256 pixels or more; luma, on white, upright.

import { kindOf, orientation, sizeOf } from "./container.js";
import { CannotDecode } from "./errors.js";
import { ended, withoutLead } from "./tidying.js";

const MAX_PIXELS = 89_000_000;
const MAX_SIDE = 65_535;
const SUPPORTED = "JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC";
const WORKING_SIDE = 256;
const TILE_SIDE = 2048; // pixels that are read back at a time: 16 MB
const DRAFTS = [8, 4, 2];

/**
 * @param {Uint8Array} bytes a picture file
 * @returns {Promise<{luma: {width: number, height: number, data: Uint8Array}, width: number, height: number}>} the plane, and the size of
 *   the upright picture before reduction
 * @throws {CannotDecode}
 */
export async function decode(bytes) {
  const picture = withoutLead(bytes);
  try {
    return await decoded(picture);
  } catch (error) {
    const both = error.reason === "format" ? ended(picture) : null;
    if (!both) throw error;
    return await alike(both);
  }
}

/** What both files show. They are one file that lost its end; where they differ, pixels are missing, too. */
async function alike([one, other]) {
  const [shown, otherwise] = [await decoded(one), await decoded(other)];
  if (shown.luma.data.every((value, at) => value === otherwise.luma.data[at])) return shown;
  throw unreadable();
}

async function decoded(bytes) {
  const kind = kindOf(bytes);
  const said = sizeOf(bytes, kind);
  if (said) assertSmall(said);
  const { value: turn, offset } = orientation(bytes, kind);
  const bitmap = await bitmapOf(bytes, kind, offset);
  try {
    const luma = upright(reduced(bitmap, kind), turn);
    const [width, height] = turn > 4 ? [bitmap.height, bitmap.width] : [bitmap.width, bitmap.height];
    return { luma, width, height };
  } finally {
    bitmap.close();
  }
}

/**
 * The file's pixels as they are stored: boxes must begin where the server's begin, so the browser is not told to turn the picture; and a
 * canvas multiplies by alpha as Pillow does, while the decoders of some formats round otherwise.
 */
async function bitmapOf(bytes, kind, offset) {
  if (!kind) throw new CannotDecode("unsupported", `This kind of file is not supported; please choose ${SUPPORTED}.`);
  const parts = offset < 0 ? [bytes] : [bytes.subarray(0, offset), Uint8Array.of(1), bytes.subarray(offset + 1)];
  const stored = new Blob(parts, { type: `image/${kind}` });
  const bitmap = await createImageBitmap(stored, { premultiplyAlpha: "none" }).catch(() => {
    throw unreadable();
  });
  try {
    assertSmall(bitmap);
  } catch (error) {
    bitmap.close();
    throw error;
  }
  return bitmap;
}

/** Before decoding, where the file says its size: a browser gives up on the largest without saying why. */
function assertSmall(size) {
  const problem = tooLarge(size);
  if (problem) throw new CannotDecode("too-large", `This picture ${problem}; please choose a smaller copy.`);
}

function tooLarge({ width, height }) {
  if (width * height > MAX_PIXELS) return `has more than ${MAX_PIXELS / 1e6} million pixels`;
  if (Math.max(width, height) > MAX_SIDE) return `is longer than ${MAX_SIDE.toLocaleString("en")} pixels on one side`;
  return null;
}

function unreadable() {
  return new CannotDecode("format", "This browser cannot read this file as a picture.");
}

function reduced(bitmap, kind) {
  const shorter = Math.min(bitmap.width, bitmap.height);
  if (kind !== "jpeg") return boxes(bitmap, Math.max(Math.floor(shorter / WORKING_SIDE), 1), lumaOfRoundedMeans);
  const draft = boxes(bitmap, DRAFTS.find((scale) => shorter >= scale * WORKING_SIDE) ?? 1, lumaOfMeans);
  return reducedPlane(draft, Math.floor(Math.min(draft.width, draft.height) / WORKING_SIDE));
}

/** Boxes of `factor` × `factor` pixels, each made one luma value by `finish(red, green, blue, alpha, pixels)` of its sums. */
function boxes(bitmap, factor, finish) {
  const [width, height] = [Math.ceil(bitmap.width / factor), Math.ceil(bitmap.height / factor)];
  const data = new Uint8Array(width * height);
  const side = factor * Math.floor(TILE_SIDE / factor);
  const canvas = new OffscreenCanvas(Math.min(side, bitmap.width), Math.min(side, bitmap.height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.globalCompositeOperation = "copy";
  for (let y = 0; y < bitmap.height; y += side) {
    for (let x = 0; x < bitmap.width; x += side) {
      const tile = tileOf(bitmap, context, x, y);
      boxesOfTile(tile, factor, finish, data.subarray((y / factor) * width + x / factor), width);
    }
  }
  return { width, height, data };
}

function tileOf(bitmap, context, x, y) {
  const width = Math.min(context.canvas.width, bitmap.width - x);
  const height = Math.min(context.canvas.height, bitmap.height - y);
  context.drawImage(bitmap, x, y, width, height, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Colours are summed times their alpha, as Pillow reduces: what is transparent has no say. */
function boxesOfTile({ width, height, data }, factor, finish, out, stride) {
  for (let top = 0, row = 0; top < height; top += factor, row++) {
    const bottom = Math.min(top + factor, height);
    for (let left = 0, column = 0; left < width; left += factor, column++) {
      const right = Math.min(left + factor, width);
      let [red, green, blue, alpha] = [0, 0, 0, 0];
      for (let y = top; y < bottom; y++) {
        for (let at = 4 * (y * width + left), end = 4 * (y * width + right); at < end; at += 4) {
          const opacity = data[at + 3];
          red += opacity === 255 ? data[at] : times(data[at], opacity);
          green += opacity === 255 ? data[at + 1] : times(data[at + 1], opacity);
          blue += opacity === 255 ? data[at + 2] : times(data[at + 2], opacity);
          alpha += opacity;
        }
      }
      out[row * stride + column] = finish(red, green, blue, alpha, (bottom - top) * (right - left));
    }
  }
}

/** The product of two shares of 255, itself rounded to one. */
function times(one, other) {
  return Math.round((one * other) / 255);
}

/** JPEG stores luma, so the server averages luma and rounds once. */
function lumaOfMeans(red, green, blue, alpha, pixels) {
  return Math.round((19595 * red + 38470 * green + 7471 * blue) / (65536 * pixels));
}

/** Every other kind stores colours: the server rounds the mean of each, then takes the luma, and lays it on white. */
function lumaOfRoundedMeans(red, green, blue, alpha, pixels) {
  const opacity = mean(alpha, pixels);
  const [r, g, b] = [red, green, blue].map((sum) => undone(mean(sum, pixels), opacity));
  const luma = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
  return opacity === 255 ? luma : Math.round((luma * opacity + 255 * (255 - opacity)) / 255);
}

/** A colour before it was multiplied by its alpha, cut as Pillow cuts it. */
function undone(colour, opacity) {
  return opacity === 0 || opacity === 255 ? colour : Math.min(Math.trunc((255 * colour) / opacity), 255);
}

/** A rounded mean as Pillow's `reduce` takes it: times a 32-bit reciprocal whose quotient is itself a 32-bit float. */
function mean(sum, pixels) {
  const reciprocal = Math.trunc(Math.fround(2 ** 32 / Math.fround(256 * pixels)));
  return Math.trunc(((sum + (pixels >> 1)) * reciprocal) / 2 ** 24);
}

function reducedPlane(plane, factor) {
  if (factor <= 1) return plane;
  const [width, height] = [Math.ceil(plane.width / factor), Math.ceil(plane.height / factor)];
  const data = new Uint8Array(width * height);
  for (let y = 0, at = 0; y < height; y++) for (let x = 0; x < width; x++, at++) data[at] = boxMean(plane, factor * x, factor * y, factor);
  return { width, height, data };
}

function boxMean({ width, height, data }, left, top, factor) {
  const [right, bottom] = [Math.min(left + factor, width), Math.min(top + factor, height)];
  let sum = 0;
  for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) sum += data[y * width + x];
  return mean(sum, (right - left) * (bottom - top));
}

/** For each EXIF orientation, where (column x, row y) of the upright plane stands in the stored one of `width` × `height`. */
const STORED_AT = [
  (x, y, width) => y * width + x,
  (x, y, width) => y * width + (width - 1 - x),
  (x, y, width, height) => (height - 1 - y) * width + (width - 1 - x),
  (x, y, width, height) => (height - 1 - y) * width + x,
  (x, y, width) => x * width + y,
  (x, y, width, height) => (height - 1 - x) * width + y,
  (x, y, width, height) => (height - 1 - x) * width + (width - 1 - y),
  (x, y, width) => x * width + (width - 1 - y),
];

function upright(plane, turn) {
  if (turn === 1) return plane;
  const [width, height] = turn > 4 ? [plane.height, plane.width] : [plane.width, plane.height];
  const storedAt = STORED_AT[turn - 1];
  const data = new Uint8Array(plane.data.length);
  for (let at = 0; at < data.length; at++) {
    data[at] = plane.data[storedAt(at % width, Math.floor(at / width), plane.width, plane.height)];
  }
  return { width, height, data };
}
