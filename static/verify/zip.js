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
const TOLD_ONLY = ["README.txt", "keys.txt"]; // for the person who opens a bundle; nothing in them is proved

export const isZip = (bytes) => bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;

/**
 * The files of a bundle, but those that are told only. @param {{name: string, bytes: Uint8Array}} bundle
 * @returns {Promise<{name: string, bytes: Uint8Array}[]>}
 * @throws {Refused} BadBundle
 */
export async function unpack({ name, bytes }) {
  try {
    const listed = directory(bytes).filter((file) => !file.name.endsWith("/") && !TOLD_ONLY.includes(file.name));
    if (listed.reduce((sum, { size }) => sum + size, 0) > MOST_BYTES) throw new Malformed("more than a browser unpacks");
    const files = [];
    for (const file of listed) files.push({ name: `${name}/${file.name}`, bytes: await contentOf(bytes, file) });
    return files;
  } catch (error) {
    if (!(error instanceof Malformed || error instanceof RangeError)) throw error; // RangeError: it points past its end
    throw new Refused("BadBundle", `${name} is not a whole zip file, or larger than a browser unpacks`);
  }
}

function directory(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = endOf(view);
  const files = [];
  const count = view.getUint16(end + 10, true);
  if (count === TOO_MANY) throw new Malformed("more files than such a directory holds");
  let at = view.getUint32(end + 16, true);
  for (let left = count; left > 0; left--) {
    if (view.getUint32(at, true) !== IN_DIRECTORY) throw new Malformed("no directory of a zip file");
    const [nameLength, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    files.push({
      name: decode(bytes.subarray(at + 46, at + 46 + nameLength)),
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      start: view.getUint32(at + 42, true),
    });
    at += 46 + nameLength + extra + comment;
  }
  return files;
}

/** Where the end record lies: the last one, as a comment may follow it. */
function endOf(view) {
  const first = Math.max(0, view.byteLength - END_LENGTH - LONGEST_COMMENT);
  for (let at = view.byteLength - END_LENGTH; at >= first; at--) if (view.getUint32(at, true) === END) return at;
  throw new Malformed("no end of a zip file");
}

async function contentOf(bytes, { method, packed, size, start }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
