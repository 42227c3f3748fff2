// Bytes and how they are written down: UTF-8, hex digits and base64, each in one spelling only.

import { Malformed } from "./refused.js";

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const encode = (text) => utf8.encode(text);

/** @throws {Malformed} for bytes that are not UTF-8 */
export function decode(bytes) {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new Malformed("not UTF-8");
  }
}

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const equal = (one, other) => compare(one, other) === 0;

/** Below, at or above 0: the order of byte strings. */
export function compare(one, other) {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) if (one[at] !== other[at]) return one[at] - other[at];
  return one.length - other.length;
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** `length` bytes of lower-case hex digits. @throws {Malformed} */
export function fromHex(digits, length) {
  if (typeof digits !== "string" || digits.length !== 2 * length || !/^[0-9a-f]*$/.test(digits)) {
    throw new Malformed(`${JSON.stringify(digits)} is not ${length} bytes as hex digits`);
  }
  return Uint8Array.from({ length }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
}

/** The bytes of base64, of which stray bits and missing padding are refused. @throws {Malformed} */
export function fromBase64(text) {
  const letters = typeof text === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 ? atob(text) : null;
  if (letters === null || btoa(letters) !== text) throw new Malformed("not base64 in its one spelling");
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}

export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}
