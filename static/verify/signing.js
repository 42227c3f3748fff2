// Ed25519 signatures in DSSE envelopes, and keys written as C2SP verifier keys. The signatures are checked by the browser's own WebCrypto.

import { concat, encode, fromBase64, hex, sha256 } from "./bytes.js";
import { parseCanonical } from "./canonical.js";
import { fields, items } from "./fields.js";
import { Malformed, readOrRefuse, Refused } from "./refused.js";

export const [LOG, WITNESS] = [1, 4]; // what a key's signatures are over: the text itself, or it and the time at which it was seen
const BASE_POINT = new Uint8Array(32).fill(0x66).fill(0x58, 0, 1); // a public key that every implementation takes
const NAME = /^[^\p{White_Space}+\x00-\x20\x7f]+$/u;

/** Whether this browser can check such signatures at all. */
export async function canVerify() {
  try {
    await crypto.subtle.importKey("raw", BASE_POINT, "Ed25519", false, ["verify"]);
    return true;
  } catch {
    return false; // too old, or the page did not come over HTTPS
  }
}

/** A public key: {type: LOG (of lists and runs, too) or WITNESS, name, keyHash: 4 bytes, keyId: "name+hash"}. */
export class VerifyKey {
  /** Reads `name+hash+base64`. @throws {Refused} BadKey */
  static async parse(line) {
    const [, name, hash, encoded] = /^([^+]*)\+([^+]*)\+(.*)$/su.exec(line.trim()) ?? [];
    const raw = readOrRefuse("BadKey", "a verifier key looks like name+1a2b3c4d+base64", () => fromBase64(encoded));
    if (raw.length !== 33 || ![LOG, WITNESS].includes(raw[0]) || !NAME.test(name)) {
      throw new Refused("BadKey", "a verifier key holds a name and 32 bytes of an Ed25519 key for this kind of signature");
    }
    const keyHash = (await sha256(encode(`${name}\n`), raw)).slice(0, 4);
    if (hex(keyHash) !== hash) throw new Refused("BadKey", `the verifier key of ${name} is mistyped: its hash does not fit`);
    return new VerifyKey(raw[0], name, keyHash, raw.slice(1));
  }

  constructor(type, name, keyHash, raw) {
    Object.assign(this, { type, name, keyHash, raw, keyId: `${name}+${hex(keyHash)}` });
  }

  /** Returns when the signature fits. @throws {Refused} BadSignature */
  async verify(signature, message) {
    if (await this.#fits(signature, message)) return;
    const reason = "does not fit the content: it was changed, or signed by someone else";
    throw new Refused("BadSignature", `the signature by ${this.keyId} ${reason}`);
  }

  async #fits(signature, message) {
    try {
      const key = await crypto.subtle.importKey("raw", this.raw, "Ed25519", false, ["verify"]);
      return await crypto.subtle.verify("Ed25519", key, signature, message);
    } catch {
      return false; // the key is no point of the curve
    }
  }
}

/**
 * What an envelope claims, unverified. @param {Uint8Array} bytes
 * @returns {{payload: Uint8Array, payloadType: *, signatures: {keyId: *, signature: Uint8Array}[]}}
 * @throws {Refused} BadEnvelope
 */
export function parseEnvelope(bytes) {
  return readOrRefuse("BadEnvelope", "this is not a DSSE envelope in canonical JSON, with payload, payloadType and signatures", () => {
    const told = fields(parseCanonical(bytes), ["payload", "payloadType", "signatures"]);
    const signatures = items(told.signatures).map(signature);
    if (!signatures.length) throw new Malformed("no signature");
    return { payload: fromBase64(told.payload), payloadType: told.payloadType, signatures };
  });
}

function signature(item) {
  const { keyid, sig } = fields(item);
  if (keyid === undefined) throw new Malformed("a signature without a key");
  return { keyId: keyid, signature: fromBase64(sig) };
}

/**
 * The payload, after checking every signature made by one of `keys`; at least one is needed. Signatures by other keys are ignored.
 * @throws {Refused} BadEnvelope, UnknownKey, BadSignature
 */
export async function openEnvelope(bytes, payloadType, keys) {
  const envelope = parseEnvelope(bytes);
  if (envelope.payloadType !== payloadType) {
    throw new Refused("BadEnvelope", `the envelope holds ${JSON.stringify(envelope.payloadType)}, not ${JSON.stringify(payloadType)}`);
  }
  const trusted = new Map(keys.map((key) => [key.keyId, key]));
  const known = envelope.signatures.filter(({ keyId }) => trusted.has(keyId));
  if (!known.length) {
    const signers = envelope.signatures.map(({ keyId }) => keyId).join(", ");
    throw new Refused("UnknownKey", `signed by ${signers}, which is not a key given as trusted`);
  }
  const message = preAuthentication(envelope.payload, encode(payloadType));
  for (const { keyId, signature } of known) await trusted.get(keyId).verify(signature, message);
  return envelope.payload;
}

function preAuthentication(payload, kind) {
  return concat(encode(`DSSEv1 ${kind.length} `), kind, encode(` ${payload.length} `), payload);
}

