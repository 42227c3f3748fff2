// The one JSON spelling that is ever signed or digested (docs/formats/exclusion-list.md): keys in the order of code points, no spaces,
// whole numbers only, nothing escaped that need not be.

import { decode, encode, equal } from "./bytes.js";
import { Malformed } from "./refused.js";

export const DEEPEST = 100; // more than any format has, and less than any engine can follow
const MOST_VALUES = 500_000; // of one document: a statement about 80,000 photos has as many, and commas in their names count, too
const [COMMA, LIST, OBJECT, LINE_FEED] = [0x2c, 0x5b, 0x7b, 0x0a];
export const LONE_SURROGATE = /\p{Surrogate}/u;

/** @throws {Malformed} for a value that has no such spelling */
export function canonicalJson(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return wholeNumber(value);
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const fields = Object.keys(value).sort(byCodePoints);
  return `{${fields.map((name) => `${quoted(name)}:${canonicalJson(value[name])}`).join(",")}}`;
}

/**
 * The value of bytes that are JSON of any spelling. As demur/digests.py does.
 * @throws {Malformed} and before anything is made of the bytes where more than `mostValues` values may lie in them
 */
export function parseJson(bytes, mostValues = MOST_VALUES) {
  if (bytes.reduce((sum, byte) => sum + (byte === COMMA || byte === LIST || byte === OBJECT), 0) > mostValues) {
    throw new Malformed("more values than any file of ours");
  }
  const value = parsed(decode(bytes));
  if (depth(value) > DEEPEST) throw new Malformed("more lists and objects in each other than any file of ours has");
  return value;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Malformed("not JSON");
  }
}

/** The value of bytes that are its canonical JSON. @throws {Malformed} for any other bytes */
export function parseCanonical(bytes, mostValues = MOST_VALUES) {
  const value = parseJson(bytes, mostValues);
  if (!equal(encode(canonicalJson(value)), bytes)) throw new Malformed("not canonical JSON");
  return value;
}

/** As parseCanonical, of bytes behind which a line may end. @throws {Malformed} */
export function parseCanonicalLine(bytes, mostValues) {
  return parseCanonical(bytes.at(-1) === LINE_FEED ? bytes.subarray(0, -1) : bytes, mostValues);
}

/** How deep lists and objects lie in each other, as far as it matters. */
function depth(value, level = 0) {
  if (value === null || typeof value !== "object" || level > DEEPEST) return level;
  return Object.values(value).reduce((deepest, item) => Math.max(deepest, depth(item, level + 1)), level + 1);
}

/** The order of texts by code point, which is not JavaScript's own: that compares halves of surrogate pairs. */
export function byCodePoints(one, other) {
  const [left, right] = [Array.from(one), Array.from(other)];
  const at = left.findIndex((letter, place) => letter !== right[place]);
  if (at < 0) return left.length - right.length;
  return at < right.length ? left[at].codePointAt(0) - right[at].codePointAt(0) : 1;
}

function wholeNumber(value) {
  if (!Number.isSafeInteger(value)) throw new Malformed(`${value} is no whole number that every JSON reader can hold`);
  return String(value);
}

function quoted(text) {
  if (LONE_SURROGATE.test(text)) throw new Malformed("canonical JSON cannot hold a lone surrogate");
  return JSON.stringify(text);
}
