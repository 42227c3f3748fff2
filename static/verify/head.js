// The signed head of a version of the exclusion list, and proofs that an entry stands in it (docs/formats/exclusion-list.md).

import { encode, fromHex } from "./bytes.js";
import { canonicalJson, parseCanonical, parseCanonicalLine } from "./canonical.js";
import { count, digest, fields, items, text, time } from "./fields.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { Malformed, readOrRefuse, Refused } from "./refused.js";
import { openEnvelope, parseEnvelope } from "./signing.js";

export const PAYLOAD_TYPE = "application/vnd.demur.exclusion-list-head+json";
export const ENTRY_PROOF_FORMAT = "demur-entry-proof/1";
const FORMAT = "demur-exclusion-list/1";
const MOST_VALUES = 1000; // of a head: some thirty, and commas in the list's name
const MOST_VALUES_OF_PROOFS = 10_000; // a path of 64, and commas in the key
const MOST_DELTAS = 64;
const KEYS = { uid: /./su, sha256: /^[0-9a-f]{64}$/, phash: /^[0-9a-f]{16}$/, url: /./su, owner: /./su };

const READERS = {
  format: (value) => value === FORMAT || malformed(),
  list_id: text,
  version: count,
  previous_version: count,
  previous_root: digest,
  root: digest,
  total: count,
  counts: (value) => Object.values(fields(value)).map(count),
  added: count,
  removed: count,
  published_at: time,
  expires_at: time,
  entries: (value) => [count(fields(value, ["version", "sha256", "size"]).version), digest(value.sha256), count(value.size)],
  delta: (value) => [digest(fields(value, ["sha256", "size"]).sha256), count(value.size)],
};

/** What a head says, unverified. @throws {Refused} BadEnvelope, BadHead */
export function peekHead(bytes) {
  return readOrRefuse("BadHead", `the head is not of the format ${FORMAT}`, () => readHead(parseEnvelope(bytes).payload));
}

/**
 * A head that one of the keys signed: its own fields, and the key.
 * @throws {Refused} BadEnvelope, BadHead, UnknownKind, UnknownKey, BadSignature
 */
export async function openHead(bytes, keys) {
  const head = peekHead(bytes);
  const unknown = Object.keys(head.counts).find((kind) => !Object.hasOwn(KEYS, kind));
  if (unknown) throw new Refused("UnknownKind", `the list has entries of the kind ${unknown}, which this page does not know`);
  const { signer } = await openEnvelope(bytes, PAYLOAD_TYPE, keys);
  return { head, signer };
}

function readHead(payload) {
  const head = fields(parseCanonical(payload, MOST_VALUES));
  const readers = Object.hasOwn(head, "log_leaf_index") ? { ...READERS, log_leaf_index: count } : READERS;
  fields(head, Object.keys(readers));
  for (const [name, reader] of Object.entries(readers)) reader(head[name]);
  const { version, entries } = head;
  const inOrder = version >= 1 && head.previous_version === version - 1 && head.expires_at > head.published_at;
  const builds = 1 <= entries.version && entries.version <= version && version <= entries.version + MOST_DELTAS;
  return inOrder && builds ? head : malformed();
}

/** Reads an entry proof of the one spelling. @param {Uint8Array} bytes @throws {Refused} BadEntryProof */
export function parseEntryProof(bytes) {
  return readOrRefuse("BadEntryProof", `this is not an entry proof of the format ${ENTRY_PROOF_FORMAT}`, () => {
    const told = fields(parseCanonicalLine(bytes, MOST_VALUES_OF_PROOFS), ["format", "list_id", "version", "entry", "leaf_index", "path"]);
    const [kind, key, pdq, ...more] = items(told.entry);
    if (told.format !== ENTRY_PROOF_FORMAT || more.length || !isEntry(kind, key, pdq)) malformed();
    const path = items(told.path).map((node) => fromHex(node, 32));
    return { listId: text(told.list_id), version: count(told.version), kind, key, pdq, leafIndex: count(told.leaf_index), path };
  });
}

function isEntry(kind, key, pdq) {
  return Object.hasOwn(KEYS, text(kind)) && KEYS[kind].test(text(key)) && (kind === "phash" ? Boolean(digest(pdq)) : pdq === "");
}

/** Returns when the entry stands in the version of a verified head. @throws {Refused} ProofRefused */
export async function verifyEntryProof({ kind, key, pdq, leafIndex, path }, head) {
  const leaf = await leafHash(encode(canonicalJson([kind, key, pdq])));
  await verifyInclusion(leaf, leafIndex, head.total, path, fromHex(head.root, 32));
}

function malformed() {
  throw new Malformed("a field of another form");
}
