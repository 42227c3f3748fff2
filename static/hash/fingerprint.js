// The fingerprint of a picture file, computed where the file is: no request is made, and no byte of it leaves the device.

import { assertAble } from "./ability.js";
import { variants } from "./edits.js";
import { CannotDecode } from "./errors.js";
import { decode } from "./luma.js";

export { CannotDecode };
export const FINGERPRINT_VERSION = "demur-2";

/**
 * @param {Blob} file
 * @param {{onProgress?: (fraction: number) => void}} options told how much is done, from 0 to 1
 * @returns {Promise<{version: string, sha256: string, width: number, height: number, variants: object[]}>} the digest of the file, the
 *   size of the upright picture, and of every edit and orientation {edit, dihedral, phash: 16 hex digits, pdq: 64 hex digits, quality}
 * @throws {CannotDecode} where this browser cannot read the picture truly
 */
export async function fingerprintFile(file, { onProgress = () => {} } = {}) {
  await assertAble();
  const bytes = new Uint8Array(await file.arrayBuffer());
  onProgress(0.1);
  const [sha256, { luma, width, height }] = await Promise.all([digest(bytes), decode(bytes)]);
  onProgress(0.7);
  const fingerprint = { version: FINGERPRINT_VERSION, sha256, width, height, variants: variants(luma) };
  onProgress(1);
  return fingerprint;
}

async function digest(bytes) {
  const octets = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
}
