// Names and uids come from others: control characters, line feeds, bidirectional marks and long gaps, by which one could look like a verdict
// of ours, are spelled out. As demur/printing.py does.

const HIDDEN = /[\p{Other}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;

export function escaped(text) {
  return text.replace(HIDDEN, spelled).replace(/ (?= )/g, "\\x20");
}

function spelled(letter) {
  const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[letter];
  if (named) return named;
  const point = letter.codePointAt(0);
  const [mark, digits] = point < 0x100 ? ["x", 2] : point < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${mark}${point.toString(16).padStart(digits, "0")}`;
}

/** At most so many letters of it, and … for the others: what a stranger wrote may be millions. */
export function brief(text, most = 1000) {
  const letters = Array.from(text.slice(0, 2 * most + 2));
  return letters.length <= most ? text : `${letters.slice(0, most).join("")}…`;
}
