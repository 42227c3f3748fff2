// Verifies documents and holds them against each other: signed ones first, so that proofs and receipts can be held against what they name.
// As demur/verifying/checks.py does; a test compares what both say.

import { decode, equal, hex, sha256 } from "./bytes.js";
import { parseJson } from "./canonical.js";
import { keyIdOf, openByAny, parseCheckpoint, seenAt } from "./checkpoint.js";
import { isCutShort } from "./cut-short.js";
import { brief } from "./escaped.js";
import { ENTRY_PROOF_FORMAT, openHead, parseEntryProof, PAYLOAD_TYPE as HEAD, peekHead, verifyEntryProof } from "./head.js";
import { FORMATS as PROOF_FORMATS, MOST_VALUES, parseProof, verifyProof } from "./proofs.js";
import { parseReceipt, verifyReceipt } from "./receipt.js";
import { openRecord, PAYLOAD_TYPE as RECORD } from "./record.js";
import { Malformed, Refused } from "./refused.js";
import { Keyring } from "./rotation.js";
import { parseEnvelope } from "./signing.js";
import { ROLES, SIGNS } from "./trust.js";
import * as words from "./words.js";

export const [HOLDS, FAILS, UNCHECKED] = ["holds", "does not hold", "could not be checked"];
const VECTORS = "application/vnd.demur.deletion-vectors-head+json";
const UNKNOWN = "it is no list head, run record, receipt, checkpoint, proof, entries file or file of consumed samples";
const ASK_FOR = "Give a receipt (.json), a bundle of evidence (.zip), or a proof with what it is about.";
const COMMAND = "The demur command checks it: see “Without any website”.";
const AGAIN = "Get it again: it broke off on its way.";
const GIVE_KEY = "Give the key of the one who signed it, if you trust them.";
const OTHER_ROLE = "Do not rely on it, unless that key may sign this, too: then give it for both.";
const MOST_BYTES = 8e6; // of one signed document or proof

/** The file could not be checked; `remedy` says what to do. */
class Unchecked extends Refused {
  constructor(name, message, remedy) {
    super(name, message);
    this.remedy = remedy;
  }
}

/** What is refused for want of something, with what to do about it. */
const REMEDIES = { UnknownKey: GIVE_KEY, UnknownKind: "Use a newer version of demur.", TooLarge: "Give the file as it was downloaded." };

/** By how a document begins; `rank`: what others are held against comes first. */
const KINDS = [
  { starts: ['[{"payload":'], name: "key rotations", check: checkRotations, rank: -1, isCut: isCutShort },
  { starts: ['{"payload":'], name: "signed statement", check: checkEnvelope, rank: 0, isCut: isCutShort },
  { starts: ['{"checkpoint":'], name: "receipt", check: checkReceipt, rank: 1, isCut: isCutShort }, // canonical JSON begins a receipt like that
  { starts: ["PAR1"], name: "list entries", check: told("NotHere", "this is a file of the list's entries", COMMAND), rank: 2 },
  {
    starts: ["DEMURCT1"],
    name: "consumed samples",
    check: told("NotHere", "these are a run's consumed samples, which are verified from a file of their own", COMMAND),
    rank: 2,
  },
  { starts: ["{", "["], name: "proof", check: checkProof, rank: 2, isCut: isCutShort, isGuessed: true },
  {
    starts: ["%PDF"],
    name: "PDF document",
    check: told(
      "UnknownFile",
      "it is a PDF, such as a printed receipt: paper and PDF cannot be checked",
      "Scan the code on it, or give the receipt’s file (.json) from the page that it leads to.",
    ),
    rank: 2,
  },
  {
    starts: ["\xff\xd8\xff", "\x89PNG", "GIF8", "RIFF"],
    name: "picture",
    check: told("UnknownFile", "it is a picture, and a picture proves nothing here", "Give a receipt (.json) or a bundle of evidence (.zip)."),
    rank: 2,
  },
  {
    starts: ["<!DOCTYPE", "<!doctype", "<html"],
    name: "web page",
    check: told("UnknownFile", "it is a web page", "On the receipt’s page, use “Download the receipt”, and give that file."),
    rank: 2,
  },
  {
    starts: ROLES.map((role) => `${role} `),
    name: "keys",
    check: told("UnknownFile", "these are keys, and keys are not checked but checked by", "Give them as the keys that you trust, after comparing them."),
    rank: 2,
  },
  {
    starts: ["PK"],
    name: "zip file",
    check: told("UnknownFile", "it is a zip file inside another one", "Unpack the outer one, and give this one by itself."),
    rank: 2,
  },
  { starts: [""], name: "checkpoint", check: checkCheckpoint, rank: 2, isCut: isCutCheckpoint, isGuessed: true },
];

/**
 * A finding for each document, in their order. With keys of witnesses, each checkpoint must be cosigned by all of them.
 * @param {{name: string, bytes: Uint8Array, problem?: Refused}[]} documents with a `problem`, one that could not be unpacked
 * @param {Trust} trust
 * @param {Date} now
 * @returns {Promise<{file, kind, answer, proves, notProves, signed, fact, error, reason, remedy}[]>}
 */
export async function verifyDocuments(documents, trust, now = new Date()) {
  const desk = { trust, now, rings: [], heads: [], records: [], trees: new Map() };
  const sorted = documents.map((document) => ({ document, kind: kindOf(document) })).sort((one, other) => one.kind.rank - other.kind.rank);
  const findings = new Map();
  for (const { document, kind } of sorted) findings.set(document, await finding(document, kind, desk));
  return documents.map((document) => findings.get(document));
}

function kindOf({ bytes, problem }) {
  if (problem) return { name: "zip file", rank: 2 };
  if (!bytes.length) return { name: "empty file", check: told("UnknownFile", "the file is empty", "Get it again."), rank: 2 };
  const begins = (start) => Array.from(start).every((letter, at) => bytes[at] === letter.charCodeAt(0));
  return KINDS.find(({ starts }) => starts.some(begins));
}

/** What breaks off proves nothing against whoever signed it. */
async function finding(document, kind, desk) {
  const found = await judge(document, kind, desk);
  const broken = found.answer === FAILS || found.error === "UnknownFile";
  if (!broken || !kind.isCut?.(document.bytes)) return found;
  return { ...found, kind: kind.name, answer: UNCHECKED, error: "CutShort", reason: "the file is cut short", remedy: AGAIN };
}

async function judge({ name, bytes, problem }, { name: kind, check, isGuessed }, desk) {
  const nothing = { file: brief(name), kind, proves: "", notProves: "", signed: "", fact: null, error: "", reason: "", remedy: "" };
  try {
    if (problem) throw problem;
    if (bytes.length > MOST_BYTES) throw new Refused("TooLarge", `it is larger than ${MOST_BYTES.toLocaleString("en")} bytes, which no file of this kind is`);
    const found = await check(bytes, desk);
    return { ...nothing, answer: HOLDS, ...found, proves: brief(found.proves) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const remedy = error.remedy ?? REMEDIES[error.name] ?? "";
    const named = isGuessed && error.name === "UnknownFile" ? "file" : kind;
    return { ...nothing, kind: named, answer: remedy ? UNCHECKED : FAILS, error: error.name, reason: brief(error.message), remedy };
  }
}

function isCutCheckpoint(bytes) {
  return bytes.at(-1) !== 0x0a && new TextDecoder().decode(bytes).includes("\n\n— ");
}

/** For files that are none of ours, or checked elsewhere. */
function told(name, reason, remedy) {
  return () => {
    throw new Unchecked(name, reason, remedy);
  };
}

const by = (role, key) => `${role} ${key.text}`;

async function checkEnvelope(bytes, desk) {
  const { payloadType } = parseEnvelope(bytes);
  if (payloadType === HEAD) return checkHead(bytes, desk);
  if (payloadType === RECORD) return checkRecord(bytes, desk);
  if (payloadType === VECTORS) {
    const reason = "this is the head of a manifest's deletion vectors, which is verified together with its files";
    throw new Unchecked("NotHere", reason, "Use `demur vectors show`.");
  }
  throw new Unchecked("UnknownFile", `the envelope holds ${payloadType}, which nothing here can judge`, ASK_FOR);
}

async function checkRotations(bytes, desk) {
  const ring = await Keyring.read(bytes);
  const given = desk.trust.list.find(ring.has);
  if (!given) throw new Unchecked("KeyNotGiven", "none of the keys given for exclusion lists ever signed this list", GIVE_KEY);
  desk.rings.push(ring);
  const fact = { kind: "rotations", subject: "", of: ring.listId, version: ring.rotations.at(-1).fromVersion, detail: "" };
  return { fact, ...words.rotationsInWords(ring), signed: by("list", given) };
}

async function checkHead(bytes, desk) {
  const { head, signer } = await openByRole(bytes, "list", desk, (keys) => openHead(bytes, keys));
  refuseOtherRoot(head, desk);
  const signed = by("list", signer);
  desk.heads.push({ head, signed });
  const fact = { kind: "version", subject: "", of: head.list_id, version: head.version, detail: "" };
  return { fact, ...words.headInWords(head, desk.now), signed };
}

async function checkRecord(bytes, desk) {
  const { record, signer } = await openByRole(bytes, "run", desk, (keys) => openRecord(bytes, keys));
  const [digest, signed] = [hex(await sha256(bytes)), by("run", signer)];
  refuseOtherRecord(record.run_id, digest, desk);
  desk.records.push({ record, digest, signed });
  const fact = { kind: "run", subject: record.run_id, of: record.name, version: record.list?.version ?? 0, detail: record.list?.list_id ?? "" };
  return { fact, ...words.recordInWords(record), signed };
}

/** By the keys of a role; of a list whose rotations are given, by the key of the head's version. */
async function openByRole(bytes, role, { trust, rings }, open) {
  const head = role === "list" ? peekHead(bytes) : null;
  const ring = head && rings.find(({ listId }) => listId === head.list_id);
  try {
    return await open(ring ? [ring.keyOf(head.version)] : trust[role]);
  } catch (error) {
    if (error.name !== "UnknownKey") throw error;
    if (ring) throw new Refused("SpentKey", `version ${head.version} of the list is not signed by the key that signs it: ${error.message}`);
    const signers = parseEnvelope(bytes).signatures.map(({ keyId }) => keyId);
    throw notGiven(`it is signed by ${signers.join(", ")}`, signers, role, SIGNS[role], trust);
  }
}

/** Says who signed, and for what else the reader trusts that one. */
function notGiven(who, signers, role, what, trust) {
  const others = [...new Set(signers.flatMap((one) => trust.rolesOf(one)).map((other) => SIGNS[other]))].filter((other) => other !== SIGNS[role]).sort();
  if (others.length) return new Unchecked("KeyNotGiven", `${who}, which you trust for ${others.join(" and ")}, not for ${what}`, OTHER_ROLE);
  return new Unchecked("KeyNotGiven", `${who}, whose key was not given for ${what}`, GIVE_KEY);
}

async function checkReceipt(bytes, desk) {
  const receipt = parseReceipt(bytes);
  const { key } = await openCheckpointBy(receipt.checkpoint, desk);
  const { statement, checkpoint } = await verifyReceipt(receipt, key);
  const seen = await rememberTree(checkpoint, desk);
  if (statement.kind === "run_recorded") refuseOtherRecord(statement.run_id, statement.record_digest, desk);
  if (statement.list) refuseOtherRoot(statement.list, desk);
  const { proves, notProves } = words.receiptInWords(statement, receipt.leafIndex, checkpoint);
  const about = statement.list ? `version ${statement.list.version}` : (statement.photos ?? []).join(", ");
  const subject = statement.reference || statement.run_name || about;
  const fact = { kind: "receipt", subject, of: checkpoint.origin, version: statement.list?.version ?? 0, detail: statement.kind };
  return { fact, proves: proves + seen, notProves, signed: by("log", key) };
}

async function checkCheckpoint(bytes, desk) {
  const { checkpoint, key } = await openCheckpointBy(textOf(bytes), desk);
  const seen = await rememberTree(checkpoint, desk);
  const fact = { kind: "checkpoint", subject: "", of: checkpoint.origin, version: 0, detail: "" };
  return { fact, ...words.checkpointInWords(checkpoint, seen), signed: by("log", key) };
}

async function openCheckpointBy(note, { trust }) {
  try {
    return await openByAny(note, trust.log);
  } catch (error) {
    if (error.name !== "UnknownKey") throw error;
    const { origin, signatures } = parseCheckpoint(note);
    const signers = signatures.map(keyIdOf).filter((id) => !trust.rolesOf(id).includes("witness"));
    throw notGiven(`it is signed by the log ${origin}`, signers, "log", "logs", trust);
  }
}

async function checkProof(bytes, desk) {
  const value = readOrAsk(() => parseJson(bytes, MOST_VALUES));
  const format = value !== null && typeof value === "object" ? value.format : undefined;
  if (format === ENTRY_PROOF_FORMAT) return checkEntryProof(bytes, desk);
  if (PROOF_FORMATS.includes(format)) return checkRunProof(bytes, desk);
  throw new Unchecked("UnknownFile", UNKNOWN, ASK_FOR);
}

async function checkEntryProof(bytes, { heads }) {
  const proof = parseEntryProof(bytes);
  const known = heads.find(({ head }) => head.list_id === proof.listId && head.version === proof.version);
  if (!known) {
    const about = `the proof is about version ${proof.version} of the list ${proof.listId}`;
    const remedy = "Give that version's head.dsse.json too.";
    throw new Unchecked("NothingToCompare", `${about}, whose head is not among the files that hold`, remedy);
  }
  await verifyEntryProof(proof, known.head);
  const fact = { kind: "excluded", subject: proof.key, of: proof.listId, version: proof.version, detail: proof.kind };
  return { fact, ...words.entryProofInWords(proof), signed: known.signed };
}

async function checkRunProof(bytes, { records }) {
  const proof = parseProof(bytes);
  const known = records.find(({ record }) => record.run_id === proof.runId);
  if (!known) {
    const about = `the proof is about the run ${proof.runId}`;
    throw new Unchecked("NothingToCompare", `${about}, whose record is not among the files that hold`, "Give that run's record too.");
  }
  await verifyProof(proof, known.record);
  const fact = { kind: proof.leaf ? "used" : "absent", subject: proof.uid, of: known.record.name, version: 0, detail: "" };
  return { fact, ...words.proofInWords(proof, known.record), signed: known.signed };
}

function textOf(bytes) {
  const text = readOrAsk(() => decode(bytes));
  if (text.includes("\n\n— ")) return text;
  throw new Unchecked("UnknownFile", UNKNOWN, ASK_FOR);
}

function readOrAsk(read) {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new Unchecked("UnknownFile", UNKNOWN, ASK_FOR);
  }
}

/** Holds a checkpoint against the others and against the witnesses, and says who saw it. */
async function rememberTree(checkpoint, { trees, trust }) {
  const { origin, size, root } = checkpoint;
  const tree = `${size} ${origin}`;
  if (!trees.has(tree)) trees.set(tree, root);
  if (!equal(trees.get(tree), root)) {
    throw new Refused("Contradiction", `the log ${origin} signed two different trees of ${size} leaves: it is forked`);
  }
  const seen = await Promise.all(trust.witness.map(async (one) => ` ${one.name} saw this tree at ${await timeSeen(checkpoint, one)}.`));
  return seen.join("");
}

async function timeSeen(checkpoint, witness) {
  try {
    return await seenAt(checkpoint, witness);
  } catch (error) {
    if (error.name !== "UnknownKey") throw error;
    throw new Unchecked("NotWitnessed", `its checkpoint is not cosigned by ${witness.keyId}`, "Check it without that witness's key.");
  }
}

function refuseOtherRecord(runId, digest, { records }) {
  if (records.some(({ record, digest: known }) => record.run_id === runId && known !== digest)) {
    throw new Refused("Contradiction", `another record of the run ${runId} is signed, too`);
  }
}

function refuseOtherRoot({ list_id: listId, version, root }, { heads }) {
  if (heads.some(({ head }) => head.list_id === listId && head.version === version && head.root !== root)) {
    throw new Refused("Contradiction", `version ${version} of the list ${listId} is signed with another root, too`);
  }
}
