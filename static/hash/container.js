// What a picture file's own structure says before any browser decodes it: its kind, and where EXIF says how to turn it upright.

const EXIF_ORIENTATION = 0x0112;
const SHORT = 3;

const SIGNATURES = [
  ["jpeg", 0, [0xff, 0xd8, 0xff]],
  ["png", 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ["gif", 0, "GIF87a"],
  ["gif", 0, "GIF89a"],
  ["webp", 8, "WEBP"],
  ["tiff", 0, "II*\0"],
  ["tiff", 0, "MM\0*"],
  ["bigtiff", 0, "II+\0"],
  ["bigtiff", 0, "MM\0+"],
];

/** The kind of picture by its first bytes, among those that the server reads; undefined for any other file. */
export function kindOf(bytes) {
  if (startsWith(bytes, 4, "ftyp")) return kindOfBrands(bytes);
  return SIGNATURES.find(([, at, signature]) => startsWith(bytes, at, signature))?.[0];
}

/** AVIF may stand behind a brand of its family; HEIC is told by the first. */
function kindOfBrands(bytes) {
  for (let at = 8; at < bytes[3]; at += 4) if (startsWith(bytes, at, "avif") || startsWith(bytes, at, "avis")) return "avif";
  return ["hei", "hev", "mif1", "msf1"].some((brand) => startsWith(bytes, 8, brand)) ? "heif" : undefined;
}

function startsWith(bytes, at, signature) {
  const wanted = typeof signature === "string" ? Array.from(signature, (letter) => letter.charCodeAt(0)) : signature;
  return wanted.every((byte, i) => bytes[at + i] === byte);
}

/** The size that a file says its picture has, {width, height} in pixels as stored; null where it says none. */
export function sizeOf(bytes, kind) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return { png: pngSize, gif: gifSize, jpeg: jpegSize, webp: webpSize, tiff: tiffSize, avif: boxedSize, heif: boxedSize }[kind]?.(bytes, view) ?? null;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return null;
  }
}

function pngSize(bytes, view) {
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

function gifSize(bytes, view) {
  return { width: view.getUint16(6, true), height: view.getUint16(8, true) };
}

function jpegSize(bytes, view) {
  for (let at = 2; view.getUint8(at) === 0xff; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xda) break;
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
  }
  return null;
}

function webpSize(bytes, view) {
  if (startsWith(bytes, 12, "VP8X")) return { width: 1 + (view.getUint32(24, true) & 0xffffff), height: 1 + (view.getUint32(27, true) & 0xffffff) };
  if (startsWith(bytes, 12, "VP8 ")) return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (startsWith(bytes, 12, "VP8L")) {
    const bits = view.getUint32(21, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >>> 14) & 0x3fff) };
  }
  return null;
}

/** Of the first picture, as its directory says (TIFF 6.0, tags 256 and 257). */
function tiffSize(bytes, view) {
  const little = startsWith(bytes, 0, "II");
  const size = {};
  const directory = view.getUint32(4, little);
  for (let i = view.getUint16(directory, little), entry = directory + 2; i > 0; i--, entry += 12) {
    const name = { 256: "width", 257: "height" }[view.getUint16(entry, little)];
    const isShort = view.getUint16(entry + 2, little) === SHORT;
    if (name) size[name] = isShort ? view.getUint16(entry + 8, little) : view.getUint32(entry + 8, little);
  }
  return size.width && size.height ? size : null;
}

/** Of AVIF and HEIC, the largest of the sizes among their properties: a grid's, not its tiles' (ISO/IEC 23008-12, 6.5.3). */
function boxedSize(bytes, view) {
  const sizes = [...propertiesIn(bytes, view, 0, bytes.length)].map((at) => ({ width: view.getUint32(at + 4), height: view.getUint32(at + 8) }));
  return sizes.sort((one, other) => other.width * other.height - one.width * one.height)[0] ?? null;
}

const HOLDS_BOXES = { meta: 4, iprp: 0, ipco: 0 }; // and how many bytes stand before them

/** Where the content of each box "ispe" begins. */
function* propertiesIn(bytes, view, from, to) {
  for (let at = from, length; at + 8 <= to; at += length) {
    const size = view.getUint32(at);
    length = size === 0 ? to - at : size;
    if (size === 1 || length < 8) return;
    const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (kind === "ispe") yield at + 8;
    if (kind in HOLDS_BOXES) yield* propertiesIn(bytes, view, at + 8 + HOLDS_BOXES[kind], Math.min(at + length, to));
  }
}

/**
 * The EXIF orientation of a JPEG, PNG or WebP file, and where it stands.
 * @returns {{value: number, offset: number}} value 1 to 8; offset of the value's low byte, or -1 where nothing is said
 */
export function orientation(bytes, kind) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const start = { jpeg: jpegExif, png: pngExif, webp: webpExif }[kind]?.(bytes, view) ?? -1;
    if (start >= 0) return fromExif(bytes, view, start);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // a structure that points past the end says nothing
  }
  return { value: 1, offset: -1 };
}

function jpegExif(bytes, view) {
  for (let at = 2; view.getUint8(at) === 0xff; ) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xda || marker === 0xd9) break;
    if (marker === 0xe1 && startsWith(bytes, at + 4, "Exif\0\0")) return at + 10;
    at += 2 + view.getUint16(at + 2);
  }
  return -1;
}

function pngExif(bytes, view) {
  for (let at = 8; ; at += 12 + view.getUint32(at)) {
    if (startsWith(bytes, at + 4, "eXIf")) return at + 8;
    if (startsWith(bytes, at + 4, "IEND")) return -1;
  }
}

function webpExif(bytes, view) {
  for (let at = 12; ; at += 8 + 2 * Math.ceil(view.getUint32(at + 4, true) / 2)) {
    if (startsWith(bytes, at, "EXIF")) return startsWith(bytes, at + 8, "Exif\0\0") ? at + 14 : at + 8;
    if (at + 8 >= bytes.length) return -1;
  }
}

function fromExif(bytes, view, start) {
  const little = startsWith(bytes, start, "II");
  const directory = start + view.getUint32(start + 4, little);
  for (let i = view.getUint16(directory, little), entry = directory + 2; i > 0; i--, entry += 12) {
    if (view.getUint16(entry, little) !== EXIF_ORIENTATION || view.getUint16(entry + 2, little) !== SHORT) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? { value, offset: entry + (little ? 8 : 9) } : { value: 1, offset: -1 };
  }
  return { value: 1, offset: -1 };
}
