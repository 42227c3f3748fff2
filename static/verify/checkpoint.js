// Checkpoints of the transparency log: https://c2sp.org/tlog-checkpoint in https://c2sp.org/signed-note, with the cosignatures of witnesses:
// https://c2sp.org/tlog-cosignature.

import { encode, equal, fromBase64, hex } from "./bytes.js";
import { count } from "./fields.js";
import { Malformed, readOrRefuse, Refused } from "./refused.js";

const MARK = "—";
const NOTE = /^(([^\n]*)\n(0|[1-9]\d*)\n([^\n]*)\n)\n((?:[^\n]+\n)+)$/u;
const MOST_SIGNATURES = 64;
const PRINTABLE = /^(?:[^\p{Other}\p{Separator}]| )*$/u;
const LATEST = 253402300799n; // the last second of the year 9999

/**
 * Reads a checkpoint without believing it: the tree of `size` leaves with the root `root` (32 bytes), and who signed its `body`.
 * @param {string} note
 * @returns {{body: string, origin: string, size: number, root: Uint8Array, signatures: {name: string, raw: Uint8Array}[]}}
 * @throws {Refused} BadCheckpoint
 */
export function parseCheckpoint(note) {
  return readOrRefuse("BadCheckpoint", "this is not a checkpoint: three lines, an empty one, and signatures", () => read(note));
}

/** Reads a checkpoint that the log's key signed. @throws {Refused} BadCheckpoint, WrongOrigin, UnknownKey, BadSignature */
export async function openCheckpoint(note, key) {
  const checkpoint = parseCheckpoint(note);
  const { origin, body } = checkpoint;
  if (origin !== key.name) throw new Refused("WrongOrigin", `this is a checkpoint of the log ${origin}, not of ${key.name}`);
  await key.verify(signatureBy(checkpoint, key), encode(body));
  return checkpoint;
}

/** When a witness cosigned it, in UTC. @throws {Refused} UnknownKey, BadSignature */
export async function seenAt(checkpoint, witness) {
  const raw = signatureBy(checkpoint, witness);
  if (raw.length !== 72) throw new Refused("BadSignature", `the signature by ${witness.keyId} is no cosignature`);
  const seconds = new DataView(raw.buffer).getBigUint64(0);
  await witness.verify(raw.slice(8), encode(`cosignature/v1\ntime ${seconds}\n${checkpoint.body}`));
  return new Date(1000 * Number(seconds < LATEST ? seconds : LATEST)).toISOString().replace(".000Z", "Z");
}

/** Whether a line of the note claims to be by this key. */
export const isBy = ({ name, raw }, key) => name === key.name && equal(raw.slice(0, 4), key.keyHash);

/**
 * Reads a checkpoint that one of these keys of logs signed, and says which. Of several keys with one hash each is tried.
 * @throws {Refused} BadCheckpoint, UnknownKey, BadSignature
 */
export async function openByAny(note, keys) {
  const checkpoint = parseCheckpoint(note);
  const candidates = keys.filter((key) => key.name === checkpoint.origin && checkpoint.signatures.some((line) => isBy(line, key)));
  if (!candidates.length) throw new Refused("UnknownKey", `it is signed by the log ${checkpoint.origin}, whose key was not given as trusted`);
  for (const key of candidates.slice(0, -1)) if (await key.fits(signatureBy(checkpoint, key), encode(checkpoint.body))) return { checkpoint, key };
  await candidates.at(-1).verify(signatureBy(checkpoint, candidates.at(-1)), encode(checkpoint.body));
  return { checkpoint, key: candidates.at(-1) };
}

/** As `VerifyKey.keyId` has it, of a line of the note. */
export const keyIdOf = ({ name, raw }) => `${name}+${hex(raw.slice(0, 4))}`;

function signatureBy({ signatures }, key) {
  const line = signatures.find((one) => isBy(one, key));
  if (!line) throw new Refused("UnknownKey", `the checkpoint carries no signature by ${key.keyId}`);
  return line.raw.slice(4);
}

function read(note) {
  const found = NOTE.exec(note);
  if (!found) throw new Malformed("not a signed note of three lines");
  const [, body, origin, size, encoded, notes] = found;
  const root = fromBase64(encoded);
  const signatures = notes.slice(0, -1).split("\n").map(signature);
  if (root.length !== 32 || !PRINTABLE.test(origin) || signatures.length > MOST_SIGNATURES) throw new Malformed("not a checkpoint");
  if (new Set(signatures.map(keyIdOf)).size !== signatures.length) throw new Malformed("signed twice by one key");
  return { body, origin, size: count(Number(size)), root, signatures };
}

function signature(line) {
  const [mark, name, encoded, ...more] = line.split(" ");
  const raw = fromBase64(encoded);
  if (mark !== MARK || !name || raw.length < 5 || more.length) throw new Malformed("not a signature line");
  return { name, raw };
}
