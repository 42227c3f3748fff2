// The signed record of a training run: an in-toto Statement in a DSSE envelope (docs/formats/run-record.md).

import { parseCanonical } from "./canonical.js";
import { count, digest, fields, items, text, time } from "./fields.js";
import { Malformed, readOrRefuse } from "./refused.js";
import { openEnvelope } from "./signing.js";
import { listReference } from "./statement.js";

export const PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
const PREDICATE_TYPES = ["urn:uuid:62306696-80d8-5500-bd80-c22d27464848", "https://demur.example/training-run/v1"]; // one form, two names

const READERS = {
  run_id: text,
  name: text,
  started_at: time,
  finished_at: time,
  tier: text,
  list: (value) => value === null || listReference(value),
  manifests: (value) => items(value).map((one) => [text(fields(one).name), digest(one.digest), count(one.rows)]),
  consumed: (value) => [digest(fields(value).root), count(value.size)],
  stages: (value) => items(value).map((one) => [text(fields(one).name), count(one.samples), digest(one.digest)]),
  dropped: (value) => named(value, count),
  seed: count,
  config: (value) => fields(value),
  code_digest: digest,
  lock_digest: digest,
  libraries: (value) => named(value, text),
  threads: count,
  device: text,
  weights_digest: digest,
  metrics: (value) => named(value, (metric) => Number.isInteger(metric) || text(metric)),
  evidence: (value) => items(value).map((one) => fields(one)),
};

/**
 * Verifies and reads a record. Fields that are not known are ignored, as in-toto asks. @param {Uint8Array} bytes
 * @returns {Promise<{record: object, signer: VerifyKey}>} the predicate's own fields, and the key that signed them
 * @throws {Refused} BadEnvelope, UnknownKey, BadSignature, BadRunRecord
 */
export async function openRecord(bytes, keys) {
  const { payload, signer } = await openEnvelope(bytes, PAYLOAD_TYPE, keys);
  const what = "the signed statement is not a run record of a known format";
  return { record: readOrRefuse("BadRunRecord", what, () => read(parseCanonical(payload))), signer };
}

function read(statement) {
  const isRun = fields(statement)._type === STATEMENT_TYPE && PREDICATE_TYPES.includes(statement.predicateType);
  if (!isRun) throw new Malformed("not about a training run");
  const record = fields(statement.predicate);
  for (const [name, reader] of Object.entries(READERS)) reader(record[name]);
  const [subject, ...more] = items(statement.subject);
  const weights = fields(fields(subject, ["name", "digest"]).digest, ["sha256"]).sha256;
  if (more.length || subject.name !== "weights" || weights !== record.weights_digest) throw new Malformed("other weights in its subject");
  if (record.finished_at < record.started_at) throw new Malformed("it ends before it starts");
  return record;
}

function named(value, reader) {
  for (const [name, item] of Object.entries(fields(value))) reader(item, text(name));
}
