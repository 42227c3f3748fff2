// Whether JSON ends before its value does: a download that broke off, which says nothing against whoever signed it.
// demur/verifying/cut_short.py says the same, and a test compares them.

import { DEEPEST } from "./canonical.js";

const TEXT = /"[^"\\\x00-\x1f]*(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*)*("|\\$)?/g;
const [SCALAR, BLANK] = [/[-+.0-9A-Za-z]+/g, /[ \t\r\n]+/g];
const DAMAGED = /[^"0{}\[\],:]|["0}\]]["0{[]|[,:[{][,:]|\{[0{[]/;
const CLOSES = { "}": "{", "]": "[" };

/** Whether the bytes begin a list or an object that they do not end, and are sound as far as they go. */
export function isCutShort(bytes) {
  const frame = frameOf(new TextDecoder("latin1").decode(bytes));
  return !DAMAGED.test(frame) && isOpen(frame);
}

/** What is left of JSON when each text is a `"`, and each number or word a `0`; `!` is what no JSON holds. */
function frameOf(text) {
  return text.replace(TEXT, (found, end, at) => (end || at + found.length === text.length ? '"' : "!")).replace(BLANK, "").replace(SCALAR, "0");
}

/** Whether lists and objects are left open at the end, and only there. */
function isOpen(frame) {
  const opened = [];
  for (let at = 0; at < frame.length; at++) {
    const sign = frame[at];
    if (sign === "{" || sign === "[") opened.push(sign);
    else if (CLOSES[sign] && opened.pop() !== CLOSES[sign]) return false;
    if (opened.length > DEEPEST || (!opened.length && at < frame.length - 1)) return false;
  }
  return opened.length > 0;
}
