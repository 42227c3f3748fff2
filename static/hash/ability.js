// Whether this browser can take true fingerprints at all. Some change the pixels that a page reads, against tracking: a fingerprint of
// changed pixels would find nothing, and say so as if nothing were there. Such a browser's pictures go to the server instead.

import { CannotDecode } from "./errors.js";

const SIDE = 64;
let checked;

/** @throws {CannotDecode} if no picture can be fingerprinted here */
export async function assertAble() {
  if (!isSecureContext) throw new CannotDecode("insecure", "This page did not come over HTTPS, so this browser computes no digests.");
  if (!globalThis.OffscreenCanvas) throw new CannotDecode("browser", "This browser is too old to take fingerprints of pictures.");
  checked ??= comesBackAsDrawn();
  if (await checked) return;
  throw new CannotDecode("altered", "This browser changes the pixels that pages read, against tracking, so no fingerprint is taken.");
}

async function comesBackAsDrawn() {
  const drawn = pattern();
  const context = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  context.drawImage(await createImageBitmap(drawn), 0, 0);
  const read = context.getImageData(0, 0, SIDE, SIDE).data;
  return read.every((value, at) => value === drawn.data[at]);
}

function pattern() {
  const values = Uint8ClampedArray.from({ length: 4 * SIDE * SIDE }, (_, at) => (at % 4 === 3 ? 255 : (at * 2654435761) >>> 24));
  return new ImageData(values, SIDE, SIDE);
}
