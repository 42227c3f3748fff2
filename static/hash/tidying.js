// What browsers pass over in a picture file, or would if it stood a little otherwise: the server does the same (demur/similarity/tidying.py).

const MOST_LEAD = 16;
const LEAD = new Set([0xff, 0x0a, 0x0d, 0x09, 0x20, 0x00]);
const OTHER_PIXELS = Uint8Array.from({ length: 224 }, (_, at) => at + 16);
const END_OF_JPEG = Uint8Array.of(0xff, 0xd9);

function startsJpeg(bytes, at) {
  return bytes[at] === 0xff && bytes[at + 1] === 0xd8 && bytes[at + 2] === 0xff;
}

/** A JPEG without the line ends, fill bytes or byte order mark that a careless copy put before it. */
export function withoutLead(bytes) {
  let at = 0;
  for (let number = 0; number <= MOST_LEAD; number++) {
    if (startsJpeg(bytes, at)) return bytes.subarray(at);
    if (bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf) at += 3;
    else if (LEAD.has(bytes[at])) at += 1;
    else break;
  }
  return bytes;
}

/**
 * A JPEG with the end that it lacks, and again with bytes before it that mean other pixels: if both show the same, no pixel is missing.
 * Null for every other file.
 */
export function ended(bytes) {
  const last = bytes.length - 1;
  if (!startsJpeg(bytes, 0) || (bytes[last - 1] === 0xff && bytes[last] === 0xd9)) return null;
  const scan = bytes[last] === 0xff ? bytes.subarray(0, last) : bytes;
  return [joined(scan, END_OF_JPEG), joined(scan, OTHER_PIXELS, END_OF_JPEG)];
}

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
