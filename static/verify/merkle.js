// Merkle tree hashes and inclusion proofs of RFC 9162 section 2.1.

import { equal, sha256 } from "./bytes.js";
import { Refused } from "./refused.js";

const [LEAF, NODE] = [Uint8Array.of(0), Uint8Array.of(1)];

export const leafHash = (leaf) => sha256(LEAF, leaf);
const nodeHash = (left, right) => sha256(NODE, left, right);

/**
 * Returns when the leaf hash is at `index` of the tree of `size` leaves (section 2.1.3.2). Reckoned in BigInt: bit operations on numbers
 * end at 32 bits.
 * @param {Uint8Array} leaf 32 bytes, as are the items of `path`, from the leaf's sibling upwards, and `root`
 * @throws {Refused} ProofRefused
 */
export async function verifyInclusion(leaf, index, size, path, root) {
  let [position, last, result] = [BigInt(index), BigInt(size) - 1n, leaf];
  if (position < 0n || position > last) throw refused(`leaf ${index} lies outside a tree of ${size}`);
  for (const sibling of path) {
    if (last === 0n) throw refused("the inclusion proof is too long");
    if (position & 1n || position === last) {
      result = await nodeHash(sibling, result);
      while (!(position & 1n) && position) [position, last] = [position >> 1n, last >> 1n];
    } else {
      result = await nodeHash(result, sibling);
    }
    [position, last] = [position >> 1n, last >> 1n];
  }
  if (last) throw refused("the inclusion proof is too short");
  if (!equal(result, root)) throw refused("the inclusion proof does not lead to the signed root");
}

const refused = (message) => new Refused("ProofRefused", message);
