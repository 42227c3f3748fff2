/** Lower-case hex digits of `count` bits, the first bit the highest; `bit(i)` says whether bit i is set. */
export function hex(count, bit) {
  let digits = "";
  for (let i = 0; i < count; i += 4) digits += ((bit(i) << 3) | (bit(i + 1) << 2) | (bit(i + 2) << 1) | bit(i + 3)).toString(16);
  return digits;
}
