// The eight orientations of a picture, in the order of `pdqhash.compute_dihedral`, and what they do to its cosine transform: a mirror
// flips signs, a quarter turn transposes. So the hashes of all eight cost one transform.

const ORIENTATIONS = [
  { transposed: false, down: false, across: false },
  { transposed: true, down: true, across: false },
  { transposed: false, down: true, across: true },
  { transposed: true, down: false, across: true },
  { transposed: false, down: true, across: false },
  { transposed: false, down: false, across: true },
  { transposed: true, down: false, across: false },
  { transposed: true, down: true, across: true },
];

export const ALL_ORIENTATIONS = ORIENTATIONS.map((_, number) => number);

/**
 * The transform of the picture in some orientations, from that of the picture as it stands.
 * @param {Float32Array | Float64Array} transform `side` × `side` coefficients, row-major; row and column i hold frequency `lowest` + i
 * @param {number[]} numbers of the orientations
 */
export function turned(transform, side, lowest, numbers) {
  return numbers.map((number) => {
    const { transposed, down, across } = ORIENTATIONS[number];
    const out = new transform.constructor(transform.length);
    for (let row = 0, at = 0; row < side; row++) {
      for (let column = 0; column < side; column++, at++) {
        const value = transform[transposed ? column * side + row : at];
        const flips = (down && (lowest + row) % 2) ^ (across && (lowest + column) % 2);
        out[at] = flips ? -value : value;
      }
    }
    return out;
  });
}
