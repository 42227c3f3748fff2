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

/**
 * The transform of the picture in each orientation, from that of the picture as it stands.
 * @param {Float32Array | Float64Array} transform `side` × `side` coefficients, row-major; row and column i hold frequency `lowest` + i
 */
export function turned(transform, side, lowest) {
  return ORIENTATIONS.map(({ transposed, down, across }) =>
    transform.map((_, at) => {
      const [row, column] = [Math.floor(at / side), at % side];
      const value = transform[transposed ? column * side + row : at];
      const flips = (down && (lowest + row) % 2) ^ (across && (lowest + column) % 2);
      return flips ? -value : value;
    }),
  );
}
