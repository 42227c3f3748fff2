// What a file proves, in plain words, and what it does not. demur.verifying says the same, and a test compares them.

import { hex } from "./bytes.js";

const NOT = {
  opt_out_filed: "That a training run obeyed it: the list's receipt and a run's evidence show that.",
  opt_out_listed: "That a training run obeyed the list: a run's evidence shows that. Nor that it was not withdrawn since.",
  opt_out_withdrawn: "That no other opt-out of the same photos is in force.",
  opt_out_denied: "That it was right to end it, nor that no other opt-out of the same photos is in force.",
  opt_out_held: "That it was right to hold it, nor how a person decided.",
  opt_out_released: "That it was right, nor which copies they are.",
  opt_out_limited: "That it was right, nor that no other opt-out takes these copies out.",
  photo_contested: "How the operator decided.",
  contest_accepted: "That it was right, nor that no other opt-out takes the same photos out.",
  contest_refused: "That it was right to refuse.",
  list_published: "That everyone's opt-out is in it, or that anybody trained by it.",
  run_recorded: "That the run's record is true: only training it again could show that.",
};

const STATED = {
  opt_out_filed: (told) => `the opt-out ${told.reference} was filed for ${subjects(told)}`,
  opt_out_listed: (told) => `${version(told)} excludes what the opt-out ${told.reference} is about: ${subjects(told)}`,
  opt_out_withdrawn: (told) => `the opt-out ${told.reference} was withdrawn for ${subjects(told)}`,
  opt_out_denied: (told) => `the opt-out ${told.reference} was ended for ${subjects(told)}, not by its member`,
  opt_out_held: (told) => `the opt-out ${told.reference} for ${subjects(told)} takes nothing of others out until a person has looked`,
  opt_out_released: (told) => `a person let the opt-out ${told.reference} for ${subjects(told)} take copies out that others posted`,
  opt_out_limited: (told) => `a person decided that the opt-out ${told.reference} for ${subjects(told)} leaves copies in that others posted`,
  photo_contested: (told) => `the owner of ${subjects(told)} contested an opt-out by somebody else`,
  contest_accepted: (told) => `the contest by the owner of ${subjects(told)}, against an opt-out by somebody else, was granted`,
  contest_refused: (told) => `the operator disagreed with the owner of ${subjects(told)}, who contested an opt-out by somebody else`,
  list_published: (told) => `${version(told)} was published, with the root ${told.list.root}`,
  run_recorded: (told) =>
    `the record ${told.record_digest} of the run ${told.run_name} (${told.run_id}) was verified; it obeyed ${version(told)}`,
};

/** What is proved, and what not, by a receipt that verified with the checkpoint of the log `origin` over `size` leaves. */
export function receiptInWords(statement, leafIndex, { origin, size }) {
  const committed = `It is leaf ${leafIndex} of the log ${origin}, whose first ${size} leaves are signed: the operator cannot deny or change it.`;
  const proves = `The operator stated on ${statement.at} that ${STATED[statement.kind](statement)}. ${committed}`;
  return { proves, notProves: NOT[statement.kind] };
}

const version = ({ list }) => (list ? `version ${list.version} of the exclusion list ${list.list_id}` : "no exclusion list");

/** What an opt-out is about. */
function subjects({ photos, pictures = [], owners = [] }) {
  const everything = owners.map((owner) => `all photos of ${owner}, now and later`);
  return [counted("photo", photos), counted("looked-up picture", pictures), ...everything].filter(Boolean).join(" and ");
}

function counted(word, names) {
  if (names.length === 1) return `the ${word} ${names[0]}`;
  return names.length ? `${names.length} ${word}s` : "";
}

/** `seen`: who else saw the tree. */
export function checkpointInWords({ origin, size, root }, seen) {
  return {
    proves: `The log ${origin} had ${size} leaves with the root ${hex(root)}.${seen}`,
    notProves: "That everyone is shown the same log: a witness, or another reader's checkpoint, shows that.",
  };
}

export function headInWords(head, now) {
  const expired = now >= new Date(head.expires_at) ? ` It expired at ${head.expires_at}: do not train by it.` : "";
  return {
    proves: `The key holder signed version ${head.version} of the exclusion list ${head.list_id}: ${head.total} entries with root ${head.root}, published ${head.published_at}, good until ${head.expires_at}.${expired}`,
    notProves: "That this is the newest version, that the operator put everyone's opt-out in, or that anybody trained by it.",
  };
}

export function entryProofInWords({ listId, version: number, kind, key }) {
  return {
    proves: `Version ${number} of the exclusion list ${listId} excludes every sample whose ${kind} is ${key}.`,
    notProves: "That a training run obeyed this version: its record and an absence proof show that.",
  };
}

export function recordInWords({ run_id: runId, name, consumed, list, weights_digest: weights }) {
  const by = list ? `filtered by ${version({ list })}` : "not filtered by any exclusion list";
  return {
    proves: `The key holder states that the run ${name} (${runId}) consumed ${consumed.size} samples, ${by}, and made the weights ${weights}. Nothing in the statement was changed since it was signed.`,
    notProves: "That the statement is true. Only training it again could show that; a signature shows only who said it.",
  };
}

export function proofInWords({ uid, leaf }, { name, consumed }) {
  if (leaf) {
    return { proves: `The run ${name} consumed the sample ${uid}: it says so itself.`, notProves: "How much the sample shaped the weights." };
  }
  return {
    proves: `The sample ${uid} is not among the ${consumed.size} samples that the record of the run ${name} commits to.`,
    notProves:
      "That no copy of the photo was consumed under another uid, or that the run read nothing beyond what its record commits to. That the samples are in order is taken from the record's maker, unless consumed.bin is verified as well.",
  };
}

export function rotationsInWords({ listId, rotations }) {
  const last = rotations.at(-1);
  return {
    proves: `The key of the list ${listId} was changed ${last.number} times, each time by a statement that the old key and the new one signed: from version ${last.fromVersion} on, ${last.new.text} signs it.`,
    notProves: "That no older key fell into other hands: a new key protects only what is signed by it.",
  };
}
