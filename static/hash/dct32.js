// The discrete cosine transform (type II, not normalised) of 32 numbers, in the order of operations of pocketfft, which SciPy uses.
// A coefficient of a flat or symmetric picture is rounding noise around nought, and a hash keeps its sign: only the same operations in
// the same order give the same noise. The constants are literals because engines differ in the last bit of Math.cos.

const LENGTH = 32;

// prettier-ignore
const QUARTER_TURNS = [ // cos(π (k + 1) / 64)
  0.9987954562051724, 0.9951847266721969, 0.989176509964781, 0.9807852804032304,
  0.970031253194544, 0.9569403357322088, 0.9415440651830208, 0.9238795325112867,
  0.9039892931234433, 0.881921264348355, 0.8577286100002721, 0.8314696123025452,
  0.8032075314806449, 0.773010453362737, 0.7409511253549591, 0.7071067811865475,
  0.6715589548470183, 0.6343932841636455, 0.5956993044924332, 0.5555702330196022,
  0.5141027441932217, 0.47139673682599753, 0.42755509343028203, 0.38268343236508967,
  0.33688985339221994, 0.2902846772544623, 0.24298017990326393, 0.19509032201612825,
  0.14673047445536164, 0.09801714032956049, 0.04906767432741799,
];

// prettier-ignore
const ROOTS = [ // cos and sin of 2 π k / 32, from k = 1
  0.9807852804032304, 0.19509032201612825, 0.9238795325112867, 0.3826834323650898,
  0.8314696123025452, 0.5555702330196022, 0.7071067811865475, 0.7071067811865476,
  0.5555702330196022, 0.8314696123025452, 0.3826834323650898, 0.9238795325112867,
  0.19509032201612825, 0.9807852804032304,
];
const EVERY_SECOND_ROOT = [2, 4, 6].flatMap((k) => [ROOTS[2 * k - 2], ROOTS[2 * k - 1]]);

const spare = new Float64Array(LENGTH);

/** Replaces the 32 numbers of `values` (Float64Array) by their transform. */
export function dct32(values) {
  values[0] *= 2;
  values[31] *= 2;
  for (let k = 1; k < 31; k += 2) {
    const difference = values[k + 1] - values[k];
    values[k] = values[k + 1] + values[k];
    values[k + 1] = difference;
  }
  firstPass(values, spare);
  middlePass(spare, values);
  lastPass(values, spare);
  values[0] = spare[0];
  for (let k = 1, mirror = 31; k < 16; k++, mirror--) {
    const near = QUARTER_TURNS[k - 1];
    const far = QUARTER_TURNS[mirror - 1];
    const t1 = near * spare[mirror] + far * spare[k];
    const t2 = near * spare[k] - far * spare[mirror];
    values[k] = 0.5 * (t1 + t2);
    values[mirror] = 0.5 * (t1 - t2);
  }
  values[16] = spare[16] * QUARTER_TURNS[15];
}

/** One butterfly of two over 16 numbers each. */
function firstPass(from, to) {
  to[0] = from[0] + from[31];
  to[16] = from[0] - from[31];
  to[15] = 2 * from[15];
  to[31] = -2 * from[16];
  for (let i = 2; i < 16; i += 2) {
    const mirror = 32 - i;
    const real = from[i - 1] - from[mirror - 1];
    const imaginary = from[i] + from[mirror];
    to[i - 1] = from[i - 1] + from[mirror - 1];
    to[i] = from[i] - from[mirror];
    turn(to, 16 + i, ROOTS[i - 2], ROOTS[i - 1], imaginary, real);
  }
}

/** Two butterflies of four over 4 numbers each. */
function middlePass(from, to) {
  for (let k = 0; k < 2; k++) {
    const at = 16 * k;
    const out = 4 * k;
    fourOf(to, out, 8, from[at], from[at + 7], from[at + 8], from[at + 15]);

    const ti1 = from[at + 12] + from[at + 4];
    const ti2 = from[at + 12] - from[at + 4];
    const tr2 = from[at + 3] + from[at + 11];
    const tr1 = from[at + 3] - from[at + 11];
    to[out + 3] = tr2 + tr2;
    to[out + 11] = Math.SQRT2 * (tr1 - ti1);
    to[out + 19] = ti2 + ti2;
    to[out + 27] = -Math.SQRT2 * (tr1 + ti1);

    inner(from, at, to, out);
  }
}

/** The numbers 1 and 2 of a butterfly of four: complex, so each output is turned by its root. */
function inner(from, at, to, out) {
  const tr2 = from[at + 1] + from[at + 13];
  const tr1 = from[at + 1] - from[at + 13];
  const ti1 = from[at + 2] + from[at + 14];
  const ti2 = from[at + 2] - from[at + 14];
  const tr4 = from[at + 10] + from[at + 6];
  const ti3 = from[at + 10] - from[at + 6];
  const tr3 = from[at + 9] + from[at + 5];
  const ti4 = from[at + 9] - from[at + 5];
  to[out + 1] = tr2 + tr3;
  to[out + 2] = ti2 + ti3;
  turn(to, out + 10, EVERY_SECOND_ROOT[0], EVERY_SECOND_ROOT[1], ti1 + ti4, tr1 - tr4);
  turn(to, out + 18, EVERY_SECOND_ROOT[2], EVERY_SECOND_ROOT[3], ti2 - ti3, tr2 - tr3);
  turn(to, out + 26, EVERY_SECOND_ROOT[4], EVERY_SECOND_ROOT[5], ti1 - ti4, tr1 + tr4);
}

/** Eight butterflies of four. */
function lastPass(from, to) {
  for (let k = 0; k < 8; k++) fourOf(to, k, 8, from[4 * k], from[4 * k + 1], from[4 * k + 2], from[4 * k + 3]);
}

function fourOf(to, out, step, first, second, third, fourth) {
  const sum = first + fourth;
  const difference = first - fourth;
  to[out] = sum + 2 * second;
  to[out + step] = difference - 2 * third;
  to[out + 2 * step] = sum - 2 * second;
  to[out + 3 * step] = difference + 2 * third;
}

function turn(to, at, cosine, sine, imaginary, real) {
  to[at] = cosine * imaginary + sine * real;
  to[at - 1] = cosine * real - sine * imaginary;
}
