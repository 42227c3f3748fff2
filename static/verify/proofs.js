// Proofs that a sample was, or was not, among those that a training run consumed (docs/formats/run-record.md). The consumed tree's leaves
// are sorted, so two that lie side by side prove that nothing lies between them.

import { compare, encode, equal, fromHex, hex, sha256 } from "./bytes.js";
import { parseCanonicalLine } from "./canonical.js";
import { count, fields, items, text } from "./fields.js";
import { leafHash, verifyInclusion } from "./merkle.js";
import { Malformed, readOrRefuse, Refused } from "./refused.js";

const INCLUSION_FORMAT = "demur-inclusion-proof/1";
const ABSENCE_FORMAT = "demur-absence-proof/1";
export const FORMATS = [INCLUSION_FORMAT, ABSENCE_FORMAT];
export const MOST_VALUES = 10_000; // of a proof: two paths of 64, and commas in the name of a photo
const DOMAIN = "demur/consumed/1\0";

/** Reads a proof of either kind: {runId, uid, leaf} or {runId, uid, before, after}. @param {Uint8Array} bytes @throws {Refused} BadProof */
export function parseProof(bytes) {
  return readOrRefuse("BadProof", "this is not a proof of a known format", () => {
    const told = fields(parseCanonicalLine(bytes, MOST_VALUES));
    const about = { runId: text(told.run_id), uid: text(told.uid) };
    if (told.format === INCLUSION_FORMAT) return { ...about, leaf: provenLeaf(fields(told, ["format", "run_id", "uid", "leaf"]).leaf) };
    if (told.format !== ABSENCE_FORMAT) throw new Malformed("of another format");
    fields(told, ["format", "run_id", "uid", "before", "after"]);
    const [before, after] = [told.before, told.after].map((side) => (side === null ? null : provenLeaf(side)));
    return { ...about, before, after };
  });
}

function provenLeaf(value) {
  const told = fields(value, ["leaf_index", "digest", "path"]);
  return { index: count(told.leaf_index), digest: fromHex(told.digest, 32), path: items(told.path).map((node) => fromHex(node, 32)) };
}

/** Returns when the proof holds for a verified run record. @throws {Refused} ProofRefused */
export async function verifyProof(proof, { run_id: runId, consumed: { root, size } }) {
  if (proof.runId !== runId) throw refused(`the proof is about the run ${proof.runId}, not about ${runId}`);
  const key = await sha256(encode(`${DOMAIN}${runId}\0${proof.uid}`));
  const leaves = proof.leaf ? present(proof, key) : neighbours(proof, key, size);
  for (const leaf of leaves) await verifyInclusion(await leafHash(leaf.digest), leaf.index, size, leaf.path, fromHex(root, 32));
  if (size === 0 && root !== hex(await sha256())) {
    throw refused("the run record counts no samples, but its root is not that of an empty tree");
  }
}

function present({ uid, leaf }, key) {
  if (!equal(leaf.digest, key)) throw refused(`the proof is about another sample than ${uid}`);
  return [leaf];
}

function neighbours({ uid, before, after }, key, size) {
  const position = before ? before.index + 1 : 0;
  if ((after ? after.index : size) !== position) throw refused("the two leaves of the absence proof are not neighbours");
  if ((before && compare(before.digest, key) >= 0) || (after && compare(after.digest, key) <= 0)) {
    throw refused(`the sample ${uid} does not lie between the two leaves of the absence proof`);
  }
  return [before, after].filter(Boolean);
}

const refused = (message) => new Refused("ProofRefused", message);
