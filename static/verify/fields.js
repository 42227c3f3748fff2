// Strict readers for the fields of signed JSON: the right type and form, or Malformed, which says what was found instead.

import { LONE_SURROGATE } from "./canonical.js";
import { Malformed } from "./refused.js";

/** An object; with exactly the fields `names`, if those are given. */
export function fields(value, names = null) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw wrong(value, "an object");
  const found = Object.keys(value);
  if (names && (found.length !== names.length || !names.every((name) => Object.hasOwn(value, name)))) {
    throw wrong(found, `the fields ${names.join(", ")}`);
  }
  return value;
}

export function items(value) {
  if (!Array.isArray(value)) throw wrong(value, "a list");
  return value;
}

/** Text that is not empty and can be written down. */
export function text(value) {
  if (typeof value !== "string" || !value || LONE_SURROGATE.test(value)) throw wrong(value, "text");
  return value;
}

/** 0 to 2**53 - 1. */
export function count(value) {
  if (!Number.isSafeInteger(value) || value < 0) throw wrong(value, "a count");
  return value;
}

/** A SHA-256 digest as 64 lower-case hex digits. */
export function digest(value) {
  if (!/^[0-9a-f]{64}$/.test(text(value))) throw wrong(value, "a SHA-256 digest");
  return value;
}

/** A time in UTC as `2026-11-21T12:00:00Z`. */
export function time(value) {
  const moment = /^[1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text(value)) ? new Date(value) : new Date(NaN);
  if (Number.isNaN(moment.getTime()) || moment.toISOString() !== value.replace("Z", ".000Z")) {
    throw wrong(value, "a UTC time in whole seconds");
  }
  return value;
}

const wrong = (value, wanted) => new Malformed(`${JSON.stringify(value)} is not ${wanted}`);
