// What many findings say together. demur/verifying/summary.py says the same, and a test compares them.

import { FAILS, HOLDS, UNCHECKED } from "./checks.js";
import { brief } from "./escaped.js";

const STATED = {
  opt_out_filed: "Opt-out filed",
  opt_out_listed: "In the exclusion list",
  opt_out_withdrawn: "Opt-out withdrawn",
  opt_out_denied: "Opt-out ended",
  opt_out_held: "Opt-out held for a person",
  opt_out_released: "Opt-out let take others’ copies out",
  opt_out_limited: "Opt-out leaves others’ copies in",
  photo_contested: "Contested by the photo’s owner",
  contest_accepted: "The owner’s contest was granted",
  contest_refused: "The operator disagreed with the owner",
  list_published: "Exclusion list published",
  run_recorded: "Training run recorded",
};
const SHORT = 300; // letters of a name in a line of its own
const PROOFS = ["excluded", "absent", "used"];
const ORDER = [...PROOFS, "receipt", "version"];
const PLAIN_LABELS = {
  version: ({ of, version }) => `Version ${version} of the exclusion list ${of}`,
  rotations: ({ of }) => `Changes of the key of the exclusion list ${of}`,
  run: ({ of }) => `Record of the run ${of}`,
  checkpoint: ({ of }) => `Checkpoint of the log ${of}`,
  receipt: ({ detail, subject }) => `${STATED[detail]} · ${subject}`,
  excluded: ofEntry,
};

/** @returns {{answer: string, headline: string, lines: string[], groups: {title, findings, good, proofs}[]}} of none, that nothing could be checked */
export function summarise(findings) {
  const facts = findings.map(({ fact }) => fact).filter(Boolean);
  const answer = [FAILS, UNCHECKED, HOLDS].find((one) => findings.some((finding) => finding.answer === one)) ?? UNCHECKED;
  return { answer, headline: headline(findings), lines: findings.length > 1 ? linesOf(facts) : [], groups: groupsOf(findings) };
}

/** What a finding is about, in a few words; its file's name where it does not hold. */
export function labelOf({ file, fact }) {
  return fact ? brief(PLAIN_LABELS[fact.kind]?.(fact) ?? fact.subject, SHORT) : file;
}

/** The uid of the photo that a fact is about; nothing where it is about something else. */
export const photoOf = (fact) => (PROOFS.includes(fact?.kind) && fact.detail !== "owner" ? fact.subject : "");

function headline(findings) {
  const every = findings.length;
  if (!every) return "Nothing in it can be checked.";
  const [failed, unchecked] = [FAILS, UNCHECKED].map((one) => findings.filter(({ answer }) => answer === one).length);
  if (every === 1) return `It ${findings[0].answer}.`;
  if (!failed && !unchecked) return `All ${every} hold.`;
  const parts = failed ? [`${failed} of ${every} ${failed === 1 ? "does" : "do"} not hold`] : [];
  if (unchecked) parts.push(failed ? `${unchecked} could not be checked` : `${unchecked} of ${every} could not be checked`);
  return `${parts.join(", ")}.`;
}

function linesOf(facts) {
  const of = (kind) => facts.filter((fact) => fact.kind === kind);
  const [used, absent, receipts] = [of("used"), of("absent"), of("receipt").length];
  const lines = excludedLines(facts);
  for (const run of new Set(facts.filter(({ kind }) => kind === "used" || kind === "absent").map((fact) => fact.of))) {
    const [taken, left] = [used, absent].map((some) => new Set(some.filter((fact) => fact.of === run).map(({ subject }) => subject)).size);
    lines.push(`${brief(run, SHORT)} used ${counted(taken, "photo")} and did not use ${left}.`);
  }
  if (receipts) lines.push(`${counted(receipts, "receipt")} of what the operator stated.`);
  return lines;
}

/** Of each list, what its newest version here excludes, and what the others did: no file proves what was between two versions. */
function excludedLines(facts) {
  const names = [...new Set(facts.filter(({ kind }) => kind === "excluded").map(({ of }) => of))];
  return names.map((name) => {
    const byVersion = new Map();
    for (const fact of facts.filter(({ kind, of }) => kind === "excluded" && of === name)) {
      byVersion.set(fact.version, (byVersion.get(fact.version) ?? new Set()).add(ofEntry(fact)));
    }
    const newest = facts.reduce((most, { kind, of, version }) => (["excluded", "version"].includes(kind) && of === name ? Math.max(most, version) : most), 0);
    const now = byVersion.get(newest);
    const ofList = names.length > 1 ? ` of the exclusion list ${brief(name, SHORT)}` : "";
    const subject = now && subjectOf(now);
    const sentences = now
      ? [`${subject.charAt(0).toUpperCase()}${subject.slice(1)} ${now.size === 1 ? "is" : "are"} excluded now (version ${newest}${ofList}${obeyed(facts, name, newest)}).`]
      : [];
    for (const version of [...byVersion.keys()].filter((one) => one !== newest).sort((one, other) => other - one)) {
      const [runs, excluded] = [obeyed(facts, name, version), byVersion.get(version)];
      const count = now && excluded.size > 1 ? String(excluded.size) : subjectOf(excluded);
      sentences.push(`Version ${version}${sentences.length ? "" : ofList}${runs ? `${runs},` : ""} excluded ${count}.`);
    }
    return sentences.join(" ");
  });
}

function subjectOf(excluded) {
  const [only] = excluded;
  return excluded.size === 1 && only.startsWith("everything of ") ? brief(only, SHORT) : counted(excluded.size, "photo");
}

/** Which of the runs whose records hold obeyed this version. */
function obeyed(facts, name, version) {
  const runs = [...new Set(facts.filter((fact) => fact.kind === "run" && fact.detail === name && fact.version === version).map(({ of }) => of))];
  return runs.length ? `, which ${runs.map((run) => brief(run, SHORT)).join(" and ")} obeyed` : "";
}

function groupsOf(findings) {
  const groups = [];
  for (const [answer, title] of [[FAILS, "Does not hold"], [UNCHECKED, "Could not be checked"]]) {
    const found = findings.filter((finding) => finding.answer === answer);
    if (found.length) groups.push({ title, findings: found, good: false, proofs: false });
  }
  const titled = new Map();
  for (const finding of findings.filter(({ fact }) => fact)) {
    const [kind, title] = titleOf(finding.fact);
    if (!titled.has(title)) titled.set(title, { kind, title, findings: [], good: kind !== "used", proofs: PROOFS.includes(kind) });
    titled.get(title).findings.push(finding);
  }
  const sorted = [...titled.values()].sort((one, other) => ORDER.indexOf(one.kind) - ORDER.indexOf(other.kind));
  return [...groups, ...sorted.map((group) => ({ ...group, title: brief(group.title, SHORT) }))];
}

function titleOf({ kind, of, version }) {
  if (kind === "excluded") return [kind, `Excluded by version ${version} of the exclusion list ${of}`];
  if (kind === "absent") return [kind, `Not used by ${of}`];
  if (kind === "used") return [kind, `Used by ${of}`];
  if (kind === "receipt") return [kind, "Receipts"];
  return ["version", "Signed heads, records and checkpoints"];
}

/** What an entry of the list excludes. */
function ofEntry({ subject, detail }) {
  return detail === "owner" ? `everything of ${subject}` : subject;
}

const counted = (number, word) => (number === 1 ? `${number} ${word}` : `${number} ${word}s`);
