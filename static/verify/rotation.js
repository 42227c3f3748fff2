// Key rotations: a list's new key is announced by the old one, so that a reader given any of its keys knows which one signs which version.
// As demur/exclusions/rotation.py has it (docs/formats/exclusion-list.md).

import { encode } from "./bytes.js";
import { canonicalJson, parseCanonical } from "./canonical.js";
import { count, fields, items, text } from "./fields.js";
import { Malformed, readOrRefuse, Refused } from "./refused.js";
import { openCosigned, parseEnvelope, VerifyKey } from "./signing.js";

const FORMAT = "demur-key-rotation/1";
const PAYLOAD_TYPE = "application/vnd.demur.key-rotation+json";
const FIELDS = ["format", "list_id", "number", "old_key", "new_key", "from_version"];
const MOST_VALUES = 1000; // of one rotation: six, and commas in names
const LIMIT = 1 << 20;

/** The keys of a list in the order in which they followed each other, and what the rotations between them say. */
export class Keyring {
  constructor(rotations) {
    this.rotations = rotations;
    this.keys = [rotations[0].old, ...rotations.map((one) => one.new)];
  }

  /** The keys that a file of rotations speaks of, none of which needs to be trusted. @throws {Refused} BadRotation, TooLarge */
  static async read(bytes) {
    if (bytes.length > LIMIT) throw new Refused("TooLarge", "it is larger than key rotations ever are");
    const told = readOrRefuse("BadRotation", "the list's key rotations are not a canonical JSON list", () => items(parseCanonical(bytes)));
    if (!told.length) throw new Refused("BadRotation", "the list's key rotations are a list without one");
    const rotations = [];
    for (const envelope of told) {
      const rotation = await open(encode(canonicalJson(envelope)));
      refuseOtherThanNext(rotation, rotations.length + 1, rotations.at(-1));
      rotations.push(rotation);
    }
    return new Keyring(rotations);
  }

  get listId() {
    return this.rotations.at(-1).listId;
  }

  has = (key) => this.keys.some(({ text: known }) => known === key.text);

  /** The one key that signs a version. */
  keyOf(version) {
    return this.keys[this.rotations.filter(({ fromVersion }) => fromVersion <= version).length];
  }
}

async function open(envelope) {
  try {
    const rotation = await read(parseEnvelope(envelope).payload);
    await openCosigned(envelope, PAYLOAD_TYPE, rotation.old, rotation.new);
    return rotation;
  } catch (error) {
    if (!(error instanceof Refused || error instanceof Malformed)) throw error;
    throw new Refused("BadRotation", `the list's key rotations are unreadable: ${error.message}`);
  }
}

async function read(payload) {
  const told = fields(parseCanonical(payload, MOST_VALUES), FIELDS);
  if (told.format !== FORMAT) throw new Malformed(`a rotation is not of the format ${FORMAT}`);
  const [old, next] = [await VerifyKey.parse(text(told.old_key)), await VerifyKey.parse(text(told.new_key))];
  return { listId: text(told.list_id), number: count(told.number), old, new: next, fromVersion: count(told.from_version) };
}

function refuseOtherThanNext(rotation, number, before) {
  const wrong = (reason) => new Refused("BadRotation", `key rotation ${number} ${reason}`);
  if (rotation.number !== number || rotation.new.text === rotation.old.text) throw wrong("is not the one that belongs there");
  if (before && (rotation.old.text !== before.new.text || rotation.listId !== before.listId)) throw wrong("does not follow on the one before");
  if (rotation.fromVersion <= (before?.fromVersion ?? 1)) throw wrong("begins with a version that another key has signed already");
}
