// Ed25519 signatures in DSSE envelopes, and keys written as C2SP verifier keys. The signatures are checked by the browser's own WebCrypto.

import { concat, encode, fromBase64, hex, sha256 } from "./bytes.js";
import { parseCanonical } from "./canonical.js";
import { fields, items } from "./fields.js";
import { Malformed, readOrRefuse, Refused } from "./refused.js";

export const [LOG, WITNESS] = [1, 4]; // what a key's signatures are over: the text itself, or it and the time at which it was seen
const BASE_POINT = new Uint8Array(32).fill(0x66).fill(0x58, 0, 1); // a public key that every implementation takes
const NAME = /^[^\p{White_Space}+\x00-\x20\x7f]{1,200}$/u;
const MOST_VALUES = 1000; // of an envelope: a dozen, and commas in the names of keys
const MOST_SIGNATURES = 2; // of a key rotation; everything else is signed once

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
  /** Reads `name+hash+base64` of a key of this type. @throws {Refused} BadKey */
  static async parse(line, type = LOG) {
    const [, name, hash, encoded] = /^([^+]*)\+([^+]*)\+(.*)$/su.exec(line.trim()) ?? [];
    const raw = readOrRefuse("BadKey", "a verifier key looks like name+1a2b3c4d+base64", () => fromBase64(encoded));
    if (raw.length !== 33 || raw[0] !== type || !NAME.test(name)) {
      throw new Refused("BadKey", "it is a key for another kind of signature, or no Ed25519 key with a name");
    }
    const keyHash = (await sha256(encode(`${name}\n`), raw)).slice(0, 4);
    if (hex(keyHash) !== hash) throw new Refused("BadKey", `the verifier key of ${name} is mistyped, for its hash does not fit: copy it again, whole`);
    return new VerifyKey(raw[0], name, keyHash, raw.slice(1));
  }

  /** The key as text, whole. */
  get text() {
    return `${this.keyId}+${btoa(String.fromCharCode(this.type, ...this.raw))}`;
  }

  constructor(type, name, keyHash, raw) {
    Object.assign(this, { type, name, keyHash, raw, keyId: `${name}+${hex(keyHash)}` });
  }

  /** Returns when the signature fits. @throws {Refused} BadSignature */
  async verify(signature, message) {
    if (await this.fits(signature, message)) return;
    const reason = "does not fit the content: it was changed, or signed by someone else";
    throw new Refused("BadSignature", `the signature by ${this.keyId} ${reason}`);
  }

  /** Whether this key made the signature over the message. */
  async fits(signature, message) {
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
    const told = fields(parseCanonical(bytes, MOST_VALUES), ["payload", "payloadType", "signatures"]);
    const signatures = items(told.signatures).slice(0, MOST_SIGNATURES + 1).map(signature);
    if (!signatures.length || signatures.length > MOST_SIGNATURES) throw new Malformed("no signature, or more than there can be");
    if (new Set(signatures.map(({ keyId }) => keyId)).size !== signatures.length) throw new Malformed("signed twice by one key");
    if (typeof told.payloadType !== "string") throw new Malformed("it does not say what it holds");
    return { payload: fromBase64(told.payload), payloadType: told.payloadType, signatures };
  });
}

function signature(item) {
  const { keyid, sig } = fields(item, ["keyid", "sig"]);
  if (typeof keyid !== "string") throw new Malformed("a signature without a key");
  return { keyId: keyid, signature: fromBase64(sig) };
}

/**
 * The content of an envelope with one signature, made by one of `keys`, and that key.
 * @returns {Promise<{payload: Uint8Array, signer: VerifyKey}>}
 * @throws {Refused} BadEnvelope, UnknownKey, BadSignature
 */
export async function openEnvelope(bytes, payloadType, keys) {
  const envelope = parsed(bytes, payloadType, 1);
  return { payload: envelope.payload, signer: await signerOf(envelope, envelope.signatures[0], keys) };
}

/** The payload of an envelope that two keys signed, in this order, and nobody else. @throws {Refused} as openEnvelope */
export async function openCosigned(bytes, payloadType, first, second) {
  const envelope = parsed(bytes, payloadType, 2);
  for (const [at, key] of [first, second].entries()) await signerOf(envelope, envelope.signatures[at], [key]);
  return envelope.payload;
}

function parsed(bytes, payloadType, number) {
  const envelope = parseEnvelope(bytes);
  if (envelope.payloadType !== payloadType) {
    throw new Refused("BadEnvelope", `the envelope holds ${JSON.stringify(envelope.payloadType)}, not ${JSON.stringify(payloadType)}`);
  }
  const found = envelope.signatures.length;
  if (found !== number) throw new Refused("BadEnvelope", `the envelope has ${found} signatures, but one of this kind has ${number}`);
  return envelope;
}

/** The whole key that made a signature: of several with the same id, each is tried. */
async function signerOf({ payload, payloadType }, { keyId, signature: made }, keys) {
  const candidates = keys.filter((key) => key.keyId === keyId);
  if (!candidates.length) throw new Refused("UnknownKey", `signed by ${keyId}, which is not a key given as trusted`);
  const message = preAuthentication(payload, encode(payloadType));
  for (const key of candidates.slice(0, -1)) if (await key.fits(made, message)) return key;
  await candidates.at(-1).verify(made, message);
  return candidates.at(-1);
}

function preAuthentication(payload, kind) {
  return concat(encode(`DSSEv1 ${kind.length} `), kind, encode(` ${payload.length} `), payload);
}

