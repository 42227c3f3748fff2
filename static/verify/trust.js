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
      const [role] = line.split(" ", 1);
      if (!ROLES.includes(role)) throw new Refused("BadKey", `line ${at + 1} does not begin with what its key is for: ${ROLES.join(", ")}; write it before the key, as in “log KEY”`);
      trust.#add(role, await keyOf(role, line.slice(role.length + 1), at + 1));
    }
    return trust;
  }

  /** The keys of several, no two of which have keys of one role. */
  static joined(parts) {
    return new Trust(Object.fromEntries(ROLES.map((role) => [role, parts.flatMap((part) => part[role])])));
  }

  #add(role, key) {
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

/** @throws {Refused} BadKey, which says in which line it is */
async function keyOf(role, text, line) {
  try {
    return await VerifyKey.parse(text, role === "witness" ? WITNESS : LOG);
  } catch (error) {
    if (error.name !== "BadKey") throw error;
    throw new Refused("BadKey", `line ${line}, a key for ${SIGNS[role]}: ${error.message}`);
  }
}
