// Receipts: a signed statement, the proof that the log commits to it, and the log's checkpoint (docs/formats/receipt.md).

import { encode, fromHex } from "./bytes.js";
import { canonicalJson, parseCanonical } from "./canonical.js";
import { openCheckpoint } from "./checkpoint.js";
import { count, fields, items, text } from "./fields.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { Malformed, readOrRefuse } from "./refused.js";
import { openEnvelope } from "./signing.js";
import { commitment, parseStatement, PAYLOAD_TYPE, SALT_BYTES } from "./statement.js";

export const FORMAT = "demur-receipt/1";
const FIELDS = ["format", "statement", "salt", "leaf_index", "proof", "checkpoint"];
const MOST_VALUES = 10_000; // of a receipt: its statement is one text, its proof has 64 at most; and commas in names
const LINE_FEED = 10;

/** Reads a receipt without believing it. @param {Uint8Array} bytes @throws {Refused} BadReceipt */
export function parseReceipt(bytes) {
  return readOrRefuse("BadReceipt", `this is not a receipt of the format ${FORMAT}`, () => read(bytes));
}

function read(bytes) {
  const told = fields(parseCanonical(bytes.subarray(0, -1), MOST_VALUES), FIELDS);
  if (bytes.at(-1) !== LINE_FEED || told.format !== FORMAT) throw new Malformed("a file of another format");
  return {
    envelope: encode(canonicalJson(fields(told.statement))),
    salt: fromHex(told.salt, SALT_BYTES),
    leafIndex: count(told.leaf_index),
    proof: items(told.proof).map((node) => fromHex(node, 32)),
    checkpoint: text(told.checkpoint),
  };
}

/**
 * What a receipt states, and the checkpoint that commits to it, if all of it holds by the log's key.
 * @returns {Promise<{statement: object, checkpoint: object}>} the statement's own fields; the checkpoint as parseCheckpoint reads it
 * @throws {Refused} BadEnvelope, UnknownKey, BadSignature, BadStatement, BadCheckpoint, WrongOrigin, ProofRefused
 */
export async function verifyReceipt(receipt, key) {
  const { payload } = await openEnvelope(receipt.envelope, PAYLOAD_TYPE, [key]);
  const statement = parseStatement(payload);
  const checkpoint = await openCheckpoint(receipt.checkpoint, key);
  const leaf = await leafHash(await commitment(receipt.salt, payload));
  await verifyInclusion(leaf, receipt.leafIndex, checkpoint.size, receipt.proof, checkpoint.root);
  return { statement, checkpoint };
}
