// Bundles of evidence: the files in a zip archive, unpacked by the browser's own DecompressionStream.
// Where two readers could read one differently, nothing is read: demur/verifying/zips.py does the same.
// Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, without archives above 4 GiB or 65,534 files.

import { decode, equal } from "./bytes.js";
import { parseJson } from "./canonical.js";
import { Malformed, Refused } from "./refused.js";

const END = 0x06054b50;
const LOCATOR = 0x07064b50; // of the end that archives above 65,534 files have besides
const [END_LENGTH, LOCATOR_LENGTH] = [22, 20];
const LONGEST_COMMENT = 0xffff;
const TOO_MANY = 0xffff;
const LARGE = 0xffffffff;
const LARGE_SIZES = 1; // the extra field that has them
const IN_DIRECTORY = 0x02014b50;
const LOCAL = 0x04034b50;
const [LISTED_LENGTH, LOCAL_LENGTH] = [46, 30];
const [STORED, DEFLATED] = [0, 8];
const MOST_BYTES = 512e6; // of all files together, unpacked
const MOST_FILES = 200_000;
const MARK = [0x50, 0x4b];
const UNUSUAL = 0x1 | 0x20 | 0x40; // encrypted, a patch, or encrypted otherwise
const DESCRIBED_AFTER = 0x8; // what is known of a file only when it was packed follows it, instead of standing before it
const UTF8 = 0x800;
const NEWEST = 63; // the version of the format that a file asks for
const WHOLE = "Get the bundle again: it was damaged on its way, or made by another program.";
const CAPTIONS = "photos.json";
const MOST_CAPTION_BYTES = 2e6;
const TOLD_ONLY = ["README.txt", "keys.txt", CAPTIONS]; // for the person who opens a bundle; nothing in them is proved

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
    const files = [];
    for (const file of listed(bytes).proving) files.push({ name: `${name}/${file.name}`, ...(await unpacked(bytes, file)) });
    return files;
  } catch (error) {
    return [{ name, ...problemOf(error, "it is not a whole zip file, or larger than a browser unpacks") }];
  }
}

/** [uid, caption] of what a bundle that unpacks says that these photos show. Nobody signed it: it helps to recognise them, and proves nothing. */
export async function captionsIn(document, photos) {
  if (!isZip(document)) return [];
  try {
    const file = listed(document.bytes).captions;
    const told = file ? parseJson(await contentOf(document.bytes, file)) : null;
    const entries = told && typeof told === "object" && !Array.isArray(told) ? told : {};
    return photos.map((uid) => [uid, entries[uid]]).filter(([, caption]) => typeof caption === "string" && caption);
  } catch (error) {
    if (!(error instanceof Malformed || error instanceof RangeError)) throw error;
    return [];
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
  problem.remedy = error.remedy ?? WHOLE;
  return { problem };
}

/** Files that something is proved by, and the one of captions, of a bundle that is whole. @throws {Malformed, RangeError} */
function listed(bytes) {
  const all = directory(bytes);
  refuseUnusual(all);
  const proving = all.filter(({ name }) => !name.endsWith("/") && !TOLD_ONLY.includes(name));
  if (!proving.length) throw told("nothing in it can be checked: it holds no receipt, proof or signed file", "Give the whole bundle, or its files.");
  return { proving, captions: all.find(({ name, size }) => name === CAPTIONS && size <= MOST_CAPTION_BYTES) };
}

function refuseUnusual(files) {
  if (files.length > MOST_FILES || files.reduce((sum, { size }) => sum + size, 0) > MOST_BYTES) throw told("it unpacks to more than a browser takes", "Use the demur command for it.");
  if (new Set(files.map(({ name }) => name)).size !== files.length) throw told("it holds two files of one name, so nobody can say which one is meant");
}

const told = (message, remedy = WHOLE) => Object.assign(new Malformed(message), { told: true, remedy });

/** The files that are listed, folders too: as many as the end says, which fill the directory and do not lie over each other. */
function directory(bytes) {
  const view = viewOf(bytes);
  const { count, first, end, before } = bounds(view);
  const files = [];
  let at = first;
  for (let left = count; left > 0; left--) {
    if (view.getUint32(at, true) !== IN_DIRECTORY) throw new Malformed("no directory of a zip file");
    const [nameLength, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
    const next = at + LISTED_LENGTH + nameLength + extra + comment;
    if (next > end) throw new Malformed("a directory longer than told");
    files.push(listedAt(view, at, bytes.subarray(at + LISTED_LENGTH, at + LISTED_LENGTH + nameLength), before));
    at = next;
  }
  if (at !== end) throw new Malformed("a directory of more files than told");
  return apart(files, first).map((file) => located(bytes, view, file));
}

/** How many files there are, where their directory begins and ends, and how many bytes come before the zip file. */
function bounds(view) {
  const end = findEnd(view);
  if (end === null) throw new Malformed("no end of a zip file");
  const [disk, firstDisk, here, count] = [4, 6, 8, 10].map((place) => view.getUint16(end + place, true));
  const [size, offset] = [12, 16].map((place) => view.getUint32(end + place, true));
  if (disk || firstDisk || here !== count || end + END_LENGTH + view.getUint16(end + 20, true) !== view.byteLength) throw new Malformed("a torn end");
  if (count === TOO_MANY || (end >= LOCATOR_LENGTH && view.getUint32(end - LOCATOR_LENGTH, true) === LOCATOR)) throw new Malformed("a second end");
  const first = end - size;
  if (first < offset) throw new Malformed("a directory that lies elsewhere than told");
  return { count, first, end, before: first - offset };
}

function listedAt(view, at, name, before) {
  const [needs, flags, method] = [6, 8, 10].map((place) => view.getUint16(at + place, true));
  const [crc, packed, size, start] = [16, 20, 24, 42].map((place) => view.getUint32(at + place, true));
  if (flags & UNUSUAL || ![STORED, DEFLATED].includes(method) || (needs & 0xff) > NEWEST || [packed, size, start].includes(LARGE)) {
    throw told("it is packed in a way that bundles of evidence are not");
  }
  return { spelled: name, name: textOf(name, flags), flags, method, crc, packed, size, start: start + before };
}

function textOf(name, flags) {
  if (!name.length || name.includes(0) || (!(flags & UTF8) && name.some((byte) => byte > 0x7f))) throw new Malformed("a name that is no text");
  return decode(name);
}

/** Each with the place at which the next one, or the directory, begins. */
function apart(files, first) {
  const starts = [...files.map(({ start }) => start).sort((one, other) => one - other), first];
  const ends = new Map(starts.slice(0, -1).map((start, at) => [start, starts[at + 1]]));
  if (ends.size !== files.length) throw new Malformed("two files at one place");
  return files.map((file) => ({ ...file, end: ends.get(file.start) }));
}

function located(bytes, view, file) {
  const { start, spelled, packed, end } = file;
  if (view.getUint32(start, true) !== LOCAL) throw new Malformed("no file of a zip file");
  const [nameLength, extra] = [26, 28].map((place) => view.getUint16(start + place, true));
  const from = start + LOCAL_LENGTH + nameLength + extra;
  if (!equal(bytes.subarray(start + LOCAL_LENGTH, start + LOCAL_LENGTH + nameLength), spelled)) throw new Malformed("a file of another name than told");
  if (from + packed > end) throw new Malformed("two files that lie over each other");
  if (!isAlike(view, file, new DataView(view.buffer, view.byteOffset + from - extra, extra))) throw new Malformed("a file that says other things of itself than told");
  return { ...file, from };
}

/** Whether a reader that believes what stands before a file finds what the directory lists. Some of it may be said after the file. */
function isAlike(view, { start, flags, method, crc, packed, size }, extra) {
  if (view.getUint16(start + 6, true) !== flags || view.getUint16(start + 8, true) !== method) return false;
  const own = [14, 18, 22].map((place) => view.getUint32(start + place, true));
  const listed = [crc, packed, size];
  if (flags & DESCRIBED_AFTER) return own.every((value, at) => [0, listed[at]].includes(value) || (at > 0 && value === LARGE));
  if (own[1] !== LARGE || own[2] !== LARGE) return own.every((value, at) => value === listed[at]);
  const sizes = largeSizes(extra);
  return own[0] === crc && sizes.length === 1 && sizes[0].every((value, at) => value === BigInt([size, packed][at]));
}

/** Unpacked and packed: programs that pack from a pipe say them as of a file above 4 GiB. */
function largeSizes(extra) {
  const found = [];
  for (let at = 0; at < extra.byteLength; ) {
    const [kind, length] = [at, at + 2].map((place) => extra.getUint16(place, true));
    at += 4;
    if (kind === LARGE_SIZES && length < 16) throw new RangeError("a field that ends early");
    if (kind === LARGE_SIZES) found.push([at, at + 8].map((place) => extra.getBigUint64(place, true)));
    at += length;
  }
  return found;
}

const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where the end record lies: the last one, as a comment may follow it; null without one. */
function findEnd(view) {
  const first = Math.max(0, view.byteLength - END_LENGTH - LONGEST_COMMENT);
  for (let at = view.byteLength - END_LENGTH; at >= first; at--) if (view.getUint32(at, true) === END) return at;
  return null;
}

async function contentOf(bytes, { method, packed, size, crc, from }) {
  const content = bytes.subarray(from, from + packed);
  const unpacked = method === STORED ? content : await inflated(content, size);
  if (unpacked.length !== size) throw new Malformed("a file of another length than told");
  if (checksum(unpacked) !== crc) throw new Malformed("a file of another checksum than told");
  return unpacked;
}

const CHECKSUMS = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

/** The CRC-32 that zip files have. */
function checksum(bytes) {
  let crc = LARGE;
  for (const byte of bytes) crc = CHECKSUMS[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ LARGE) >>> 0;
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
