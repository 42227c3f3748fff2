// Bundles of evidence: the files in a zip archive, unpacked by the browser's own DecompressionStream.
// Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, without archives above 4 GiB or 65,534 files.

import { decode } from "./bytes.js";
import { Malformed, Refused } from "./refused.js";

const END = 0x06054b50;
const END_LENGTH = 22;
const LONGEST_COMMENT = 0xffff;
const TOO_MANY = 0xffff;
const IN_DIRECTORY = 0x02014b50;
const LOCAL = 0x04034b50;
const [STORED, DEFLATED] = [0, 8];
const MOST_BYTES = 512e6; // of all files together, unpacked
const MOST_FILES = 200_000;
const [MARK, ENCRYPTED] = [[0x50, 0x4b], 1];
const TOLD_ONLY = ["README.txt", "keys.txt", "photos.json"]; // for the person who opens a bundle; nothing in them is proved

/** By its first bytes, or by its name and its end where other bytes come before it. */
export function isZip({ name, bytes }) {
  if (MARK.every((byte, at) => bytes[at] === byte) && [3, 5].includes(bytes[2])) return true;
  return name.toLowerCase().endsWith(".zip") && findEnd(viewOf(bytes)) !== null;
}

/**
 * The files of a bundle, but those that are told only. What cannot be unpacked has a `problem` in place of its bytes.
 * @param {{name: string, bytes: Uint8Array}} bundle
 * @returns {Promise<{name: string, bytes?: Uint8Array, problem?: Refused}[]>}
 */
export async function unpack({ name, bytes }) {
  try {
    const listed = directory(bytes).filter((file) => !file.name.endsWith("/") && !TOLD_ONLY.includes(file.name));
    refuseUnusual(listed);
    if (!listed.length) throw told("nothing in it can be checked: it holds no receipt, proof or signed file");
    const files = [];
    for (const file of listed) files.push({ name: `${name}/${file.name}`, ...(await unpacked(bytes, file)) });
    return files;
  } catch (error) {
    return [{ name, ...problemOf(error, "it is not a whole zip file, or larger than a browser unpacks") }];
  }
}

async function unpacked(bytes, file) {
  try {
    return { bytes: await contentOf(bytes, file) };
  } catch (error) {
    return problemOf(error, "it is damaged inside its zip file");
  }
}

function problemOf(error, reason) {
  if (!(error instanceof Malformed || error instanceof RangeError)) throw error; // RangeError: it points past its end
  const problem = new Refused("BadBundle", error instanceof Malformed && error.told ? error.message : reason);
  problem.remedy = "Get the bundle again: it was damaged on its way, or made by another program.";
  return { problem };
}

function refuseUnusual(files) {
  const refuse = (message) => {
    throw told(message);
  };
  if (files.length > MOST_FILES || files.reduce((sum, { size }) => sum + size, 0) > MOST_BYTES) refuse("it unpacks to more than a browser takes");
  if (new Set(files.map(({ name }) => name)).size !== files.length) refuse("it holds two files of one name, so nobody can say which one is meant");
  if (files.some(({ method, flags }) => ![STORED, DEFLATED].includes(method) || flags & ENCRYPTED)) {
    refuse("it is packed in a way that bundles of evidence are not");
  }
}

const told = (message) => Object.assign(new Malformed(message), { told: true });

function directory(bytes) {
  const view = viewOf(bytes);
  const end = findEnd(view);
  if (end === null) throw new Malformed("no end of a zip file");
  const files = [];
  const count = view.getUint16(end + 10, true);
  if (count === TOO_MANY) throw new Malformed("more files than such a directory holds");
  const shift = end - view.getUint32(end + 12, true) - view.getUint32(end + 16, true); // bytes that come before the archive
  let at = view.getUint32(end + 16, true) + shift;
  for (let left = count; left > 0; left--) {
    if (view.getUint32(at, true) !== IN_DIRECTORY) throw new Malformed("no directory of a zip file");
    const [nameLength, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    files.push({
      name: decode(bytes.subarray(at + 46, at + 46 + nameLength)),
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      start: view.getUint32(at + 42, true) + shift,
    });
    at += 46 + nameLength + extra + comment;
  }
  return files;
}

const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where the end record lies: the last one, as a comment may follow it; null without one. */
function findEnd(view) {
  const first = Math.max(0, view.byteLength - END_LENGTH - LONGEST_COMMENT);
  for (let at = view.byteLength - END_LENGTH; at >= first; at--) if (view.getUint32(at, true) === END) return at;
  return null;
}

async function contentOf(bytes, { method, packed, size, start }) {
  const view = viewOf(bytes);
  if (view.getUint32(start, true) !== LOCAL) throw new Malformed("no file of a zip file");
  const from = start + 30 + view.getUint16(start + 26, true) + view.getUint16(start + 28, true);
  const content = bytes.subarray(from, from + packed);
  const unpacked = method === STORED ? content : method === DEFLATED ? await inflated(content, size) : new Uint8Array();
  if (unpacked.length !== size) throw new Malformed("a file of another length than told");
  return unpacked;
}

/** At most `size` bytes and a piece more are ever held: whatever claims to be small may not grow. */
async function inflated(content, size) {
  const reader = new Blob([content]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const whole = new Uint8Array(size);
  let at = 0;
  try {
    for (let piece; !(piece = await reader.read()).done; at += piece.value.length) {
      if (at + piece.value.length > size) throw new Malformed("a file longer than told");
      whole.set(piece.value, at);
    }
  } catch (error) {
    await reader.cancel().catch(() => {});
    throw error instanceof Malformed ? error : new Malformed("a file that cannot be unpacked");
  }
  return whole.subarray(0, at);
}
