// Verifies documents and holds them against each other: signed ones first, so that proofs and receipts can be held against what they name.
// As demur/verifying/checks.py does; a test compares what both say.

import { decode, equal, hex, sha256 } from "./bytes.js";
import { parseJson } from "./canonical.js";
import { isBy, openCheckpoint, parseCheckpoint, seenAt } from "./checkpoint.js";
import { ENTRY_PROOF_FORMAT, openHead, parseEntryProof, PAYLOAD_TYPE as HEAD, verifyEntryProof } from "./head.js";
import { parseProof, verifyProof } from "./proofs.js";
import { parseReceipt, verifyReceipt } from "./receipt.js";
import { openRecord, PAYLOAD_TYPE as RECORD } from "./record.js";
import { Malformed, readOrRefuse, Refused } from "./refused.js";
import { LOG, parseEnvelope, WITNESS } from "./signing.js";
import { checkpointInWords, entryProofInWords, headInWords, proofInWords, receiptInWords, recordInWords } from "./words.js";

const UNKNOWN = "this is no list head, run record, receipt, checkpoint or proof";

/** By how a document begins; `rank`: what others are held against comes first. */
const KINDS = [
  { start: "[", name: "key rotations", check: notHere, rank: -1 },
  { start: '{"payload":', name: "signed statement", check: checkEnvelope, rank: 0 },
  { start: '{"checkpoint":', name: "receipt", check: checkReceipt, rank: 1 }, // canonical JSON begins a receipt like that
  { start: "PAR1", name: "list entries", check: notHere, rank: 2 },
  { start: "DEMURCT1", name: "consumed samples", check: notHere, rank: 2 },
  { start: "{", name: "proof", check: checkProof, rank: 2 },
  { start: "", name: "checkpoint", check: checkCheckpoint, rank: 2 },
];

/**
 * A finding for each document, in their order. With keys of witnesses, each checkpoint must be cosigned by all of them.
 * @param {{name: string, bytes: Uint8Array}[]} documents
 * @param {VerifyKey[]} keys
 * @param {Date} now
 * @returns {Promise<{file: string, kind: string, proves: string, notProves: string, refusal: string}[]>} `refusal` is empty when it verified
 */
export async function verifyDocuments(documents, keys, now = new Date()) {
  const of = (type) => keys.filter((key) => key.type === type);
  const desk = { keys: of(LOG), witnesses: of(WITNESS), now, heads: [], records: [], trees: new Map() };
  const sorted = documents.map((document) => ({ document, kind: kindOf(document) })).sort((one, other) => one.kind.rank - other.kind.rank);
  const findings = new Map();
  for (const { document, kind } of sorted) findings.set(document, await finding(document, kind, desk));
  return documents.map((document) => findings.get(document));
}

function kindOf({ bytes }) {
  return KINDS.find(({ start }) => Array.from(start).every((letter, at) => bytes[at] === letter.charCodeAt(0)));
}

async function finding({ name: file, bytes }, { name: kind, check }, desk) {
  try {
    return { file, kind, ...(await check(bytes, desk)), refusal: "" };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { file, kind, proves: "", notProves: "", refusal: `${error.name}: ${error.message}` };
  }
}

async function checkEnvelope(bytes, desk) {
  const { payloadType } = parseEnvelope(bytes);
  if (payloadType === HEAD) return checkHead(bytes, desk);
  if (payloadType === RECORD) return checkRecord(bytes, desk);
  throw new Refused("UnknownFile", `the envelope holds ${payloadType}, which this page cannot judge`);
}

async function checkHead(bytes, desk) {
  const head = await openHead(bytes, desk.keys);
  refuseOtherRoot(head, desk);
  desk.heads.push(head);
  return headInWords(head, desk.now);
}

async function checkRecord(bytes, desk) {
  const [record, digest] = [await openRecord(bytes, desk.keys), hex(await sha256(bytes))];
  refuseOtherRecord(record.run_id, digest, desk);
  desk.records.push({ record, digest });
  return recordInWords(record);
}

async function checkReceipt(bytes, desk) {
  const receipt = parseReceipt(bytes);
  const { statement, checkpoint } = await verifyReceipt(receipt, logKey(receipt.checkpoint, desk));
  const seen = await rememberTree(checkpoint, desk);
  if (statement.kind === "run_recorded") refuseOtherRecord(statement.run_id, statement.record_digest, desk);
  if (statement.list) refuseOtherRoot(statement.list, desk);
  const { proves, notProves } = receiptInWords(statement, receipt.leafIndex, checkpoint);
  return { proves: proves + seen, notProves };
}

async function checkCheckpoint(bytes, desk) {
  const text = textOf(bytes);
  const checkpoint = await openCheckpoint(text, logKey(text, desk));
  return checkpointInWords(checkpoint, await rememberTree(checkpoint, desk));
}

async function checkProof(bytes, desk) {
  const told = readOrRefuse("UnknownFile", UNKNOWN, () => parseJson(bytes));
  return told.format === ENTRY_PROOF_FORMAT ? checkEntryProof(bytes, desk) : checkRunProof(bytes, desk);
}

async function checkEntryProof(bytes, { heads }) {
  const proof = parseEntryProof(bytes);
  const head = heads.find((one) => one.list_id === proof.listId && one.version === proof.version);
  if (!head) {
    throw new Refused("NothingToCompare", `the proof is about version ${proof.version} of the list ${proof.listId}; give that version's head too`);
  }
  await verifyEntryProof(proof, head);
  return entryProofInWords(proof);
}

async function checkRunProof(bytes, { records }) {
  const proof = parseProof(bytes);
  const record = records.map((known) => known.record).find(({ run_id: runId }) => runId === proof.runId);
  if (!record) throw new Refused("NothingToCompare", `the proof is about the run ${proof.runId}; give that run's record too`);
  await verifyProof(proof, record);
  return proofInWords(proof, record);
}

function notHere() {
  throw new Refused("UnknownFile", "the demur command checks this kind of file");
}

function textOf(bytes) {
  try {
    const text = decode(bytes);
    if (text.includes("\n\n")) return text;
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
  throw new Refused("UnknownFile", UNKNOWN);
}

/** The given key of the log that signed a checkpoint. */
function logKey(note, { keys }) {
  const { origin, signatures } = parseCheckpoint(note);
  const key = keys.find((one) => one.name === origin && signatures.some((line) => isBy(line, one)));
  if (!key) throw new Refused("UnknownKey", `it is signed by the log ${origin}, whose key was not given as trusted`);
  return key;
}

/** Holds a checkpoint against the others and against the witnesses, and says who saw it. */
async function rememberTree(checkpoint, { trees, witnesses }) {
  const { origin, size, root } = checkpoint;
  const tree = `${size} ${origin}`;
  if (!trees.has(tree)) trees.set(tree, root);
  if (!equal(trees.get(tree), root)) {
    throw new Refused("Contradiction", `the log ${origin} signed two different trees of ${size} leaves: it is forked`);
  }
  const seen = await Promise.all(witnesses.map(async (one) => ` ${one.name} saw this tree at ${await seenAt(checkpoint, one)}.`));
  return seen.join("");
}

function refuseOtherRecord(runId, digest, { records }) {
  if (records.some(({ record, digest: known }) => record.run_id === runId && known !== digest)) {
    throw new Refused("Contradiction", `another record of the run ${runId} is signed, too`);
  }
}

function refuseOtherRoot({ list_id: listId, version, root }, { heads }) {
  if (heads.some((head) => head.list_id === listId && head.version === version && head.root !== root)) {
    throw new Refused("Contradiction", `version ${version} of the list ${listId} is signed with another root, too`);
  }
}
