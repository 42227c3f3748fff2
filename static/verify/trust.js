// Whom a reader believes, and in what: a key that may sign run records says nothing about lists, the log or its witnesses.
// As demur/trust.py has it.

import { Refused } from "./refused.js";
import { LOG, VerifyKey, WITNESS } from "./signing.js";

export const SIGNS = { list: "exclusion lists", log: "a log and its receipts", run: "run records", witness: "what witnesses saw" };
export const ROLES = Object.keys(SIGNS);
const MOST_KEYS = 16; // of one role

/** Keys by role, as readers give them. */
export class Trust {
  constructor(keys = {}) {
    for (const role of ROLES) this[role] = keys[role] ?? [];
  }

  /** Reads a line `ROLE name+hash+base64` for each key. @throws {Refused} BadKey */
  static async parse(text) {
    const trust = new Trust();
    for (const [at, whole] of text.split("\n").entries()) {
      const line = whole.trim();
      if (!line || line.startsWith("#")) continue;
      const [word] = line.split(" ", 1);
      if (!ROLES.includes(word)) throw new Refused("BadKey", `line ${at + 1} does not begin with what its key is for: ${ROLES.join(", ")}; write it before the key, as in “log KEY”`);
      await trust.#add(word, await VerifyKey.parse(line.slice(word.length + 1)));
    }
    return trust;
  }

  #add(role, key) {
    if (key.type !== (role === "witness" ? WITNESS : LOG)) {
      throw new Refused("BadKey", "a verifier key holds a name and 32 bytes of an Ed25519 key for this kind of signature");
    }
    if (this[role].some(({ text }) => text === key.text)) return;
    if (this[role].length === MOST_KEYS) throw new Refused("BadKey", `there are more than ${MOST_KEYS} keys for ${SIGNS[role]}`);
    this[role].push(key);
  }

  get isEmpty() {
    return ROLES.every((role) => !this[role].length);
  }

  /** For what a key of this id is trusted; for messages alone, as an id is no key. */
  rolesOf(keyId) {
    return ROLES.filter((role) => this[role].some((key) => key.keyId === keyId));
  }

  /** By whose keys files are checked, held against those of this website. */
  inWords(own) {
    const others = ROLES.flatMap((role) => this[role].filter((key) => !own[role].some(({ text }) => text === key.text)).map((key) => `${key.keyId} (${role})`));
    if (!others.length) return "Checked by this website’s own keys alone: that shows what this website says, not that it says the same to everyone.";
    return `Checked by keys that are not this website’s: ${others.join(", ")}.`;
  }
}
