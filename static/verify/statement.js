// What the operator states, one leaf of the transparency log each (docs/formats/receipt.md).

import { encode, sha256 } from "./bytes.js";
import { byCodePoints, parseCanonical } from "./canonical.js";
import { count, digest, fields, items, text, time } from "./fields.js";
import { Malformed, readOrRefuse } from "./refused.js";

export const PAYLOAD_TYPE = "application/vnd.demur.statement+json";
export const SALT_BYTES = 32;
const FORMAT = "demur-statement/1";
const DOMAIN = encode("demur/leaf/1\0");

const OPT_OUT = { reference: text, photos: texts, pictures: digests, owners: texts };
const CONTEST = { photos: texts };
const READERS = {
  opt_out_filed: OPT_OUT,
  opt_out_listed: { ...OPT_OUT, list: listReference },
  opt_out_withdrawn: OPT_OUT,
  opt_out_denied: OPT_OUT,
  opt_out_held: OPT_OUT,
  opt_out_released: OPT_OUT,
  opt_out_limited: OPT_OUT,
  photo_contested: CONTEST,
  contest_accepted: CONTEST,
  contest_refused: CONTEST,
  list_published: { list: listReference },
  run_recorded: { run_id: text, run_name: text, record_digest: digest, list: (value) => value === null || listReference(value) },
};

/** The leaf of a statement: 32 bytes. */
export const commitment = (salt, payload) => sha256(DOMAIN, salt, payload);

/**
 * Reads a payload; every field is checked, and none is left over.
 * @param {Uint8Array} payload @returns {object} the statement's own fields
 * @throws {Refused} BadStatement
 */
export function parseStatement(payload) {
  return readOrRefuse("BadStatement", `the statement is not of the format ${FORMAT}`, () => read(parseCanonical(payload)));
}

function read(told) {
  const readers = Object.hasOwn(READERS, fields(told).kind) ? READERS[told.kind] : null;
  if (!readers || told.format !== FORMAT) throw new Malformed("a statement of another format or kind");
  fields(told, ["format", "kind", "at", ...Object.keys(readers)]);
  time(told.at);
  for (const [name, reader] of Object.entries(readers)) reader(told[name]);
  return told;
}

/** Texts in ascending order, each once. */
function texts(value) {
  const found = items(value).map(text);
  if (found.some((one, at) => at && byCodePoints(found[at - 1], one) >= 0)) throw new Malformed("a list is not in order, each item once");
  return found;
}

function digests(value) {
  return texts(value).map(digest);
}

export function listReference(value) {
  const told = fields(value, ["list_id", "version", "root", "published_at"]);
  return [text(told.list_id), count(told.version), digest(told.root), time(told.published_at)];
}
