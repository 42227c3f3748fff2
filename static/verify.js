// Checks receipts and proofs in the page. Everything is loaded with it, so it works with the network off. Without this script, or where a
// browser cannot check signatures, the form is sent and the server answers.
import { verifyDocuments } from "./verify/checks.js";
import { Refused } from "./verify/refused.js";
import { canVerify } from "./verify/signing.js";
import { escaped } from "./verify/escaped.js";
import { labelOf, photoOf, summarise } from "./verify/summary.js";
import { timed } from "./verify/times.js";
import { Trust } from "./verify/trust.js";
import { captionsIn, isZip, unpack } from "./verify/zip.js";

const MOST_BYTES = 256e6; // of one file; what is larger is not for a browser
const FEW = 3; // findings that are all shown unfolded, and proofs of one kind that are shown one by one
const MANY = 12; // names that are not shown before somebody asks
const UNSIGNED_CAPTIONS = "Captions are the bundle’s own; nobody signed them.";
const CLASSES = { holds: "good", "does not hold": "refused", "could not be checked": "open" };
const PAUSE_MS = 2000;
const TRIES = 15; // of a receipt that the log does not hold yet

const form = document.querySelector("form[data-verify]");
const [zone, input, said] = [".drop", "#file", "[data-said]"].map((one) => form.querySelector(one));
const keyFields = [...form.querySelectorAll("[data-keys]")];
const [problem, section] = ["[data-problem]", "[data-findings]"].map((one) => document.querySelector(one));
const [heading, lines, by, groups] = ["#summary", "[data-lines]", "[data-by]", "[data-groups]"].map((one) => section.querySelector(one));

/** What was chosen last: {name, bytes}. Another key is tried on the same. */
let documents = [];
let turn = 0;

// --- checking ---

/** `quietly`: where the person goes on typing elsewhere, and must not lose the focus. */
async function check({ quietly = false } = {}) {
  const mine = ++turn;
  section.hidden = true;
  complain("");
  if (!documents.length) return complain("Choose a file first.", quietly);
  said.textContent = "Checking…";
  try {
    const [trust, own] = [await trustOf(({ value }) => value), await trustOf(({ dataset }) => dataset.own)];
    if (trust.isEmpty) return complain("Give at least one key that you trust: without one, nothing can be checked.", quietly);
    const files = await Promise.all(documents.map(filesOf));
    const findings = await verifyDocuments(files.flat(), trust);
    const told = await captionsOf([...new Set(findings.map(({ fact }) => photoOf(fact)).filter(Boolean))]);
    if (mine !== turn) return;
    captions = new Map([...told, ...ownCaptions]);
    show(findings, told.length ? `${trust.inWords(own)} ${UNSIGNED_CAPTIONS}` : trust.inWords(own), quietly);
  } catch (error) {
    if (mine === turn) complain(sentenceOf(error), quietly);
    if (!(error instanceof Refused)) throw error;
  }
}

function sentenceOf(error) {
  if (!(error instanceof Refused)) return "Something broke while checking. The demur command checks the same files.";
  return `${error.message}.`;
}

const filesOf = (document) => (isZip(document) ? unpack(document) : [document]);

/** The keys of the form, or those that this website gave: each in the field of its role. @throws {Refused} that says in which box a bad one is */
async function trustOf(textOf) {
  const parts = [];
  for (const field of keyFields) parts.push(await keysOf(field, textOf(field)));
  return Trust.joined(parts);
}

async function keysOf(field, text) {
  try {
    return await Trust.parse(text.split("\n").map((line) => named(field.dataset.keys, line.trim())).join("\n"));
  } catch (error) {
    if (error.name !== "BadKey") throw error;
    throw new Refused("BadKey", `One of the keys in the box “${field.labels[0].firstChild.textContent.trim()}” cannot be read: ${error.message}`);
  }
}

/** By uid, where the reader is signed in: the captions of their own photos; and what a bundle says of others. */
const ownCaptions = new Map(Object.entries(JSON.parse(document.querySelector("[data-captions]")?.textContent ?? "{}")));

let captions = ownCaptions;

/** What the chosen bundles say that these photos show, one bundle after the other. */
async function captionsOf(photos) {
  const told = [];
  for (const document of documents) told.push(...(await captionsIn(document, photos)));
  return told;
}

function called({ fact }) {
  const caption = captions.get(photoOf(fact));
  return caption ? [" ", Object.assign(element("span", `“${escaped(caption.length > 80 ? `${caption.slice(0, 80)}…` : caption)}”`), { className: "soft" })] : [];
}

const named = (role, line) => (!line || line.startsWith(`${role} `) ? line : `${role} ${line}`);

async function take(files) {
  const [fit, large] = [[...files].filter(({ size }) => size <= MOST_BYTES), [...files].filter(({ size }) => size > MOST_BYTES)];
  try {
    documents = await Promise.all(fit.map(async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
  } catch {
    return complain("A file could not be read; it may have been moved.");
  }
  await check();
  if (large.length) complain(`Too large for a browser, and not checked: ${large.map(({ name }) => name).join(", ")}. The demur command does it.`);
}

/** The receipt of the link that brought the person here. */
async function takeLinked(address) {
  said.textContent = "Fetching the receipt…";
  try {
    const answer = await fetched(address);
    if (!answer.ok) return complain(`${await titleOf(answer)}.`);
    const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition"))?.[1] ?? "receipt.json";
    documents = [{ name, bytes: new Uint8Array(await answer.arrayBuffer()) }];
  } catch {
    return complain("The receipt could not be fetched. Is this device online?");
  }
  await check();
}

async function fetched(address) {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(address, { cache: "no-store" });
    if (answer.status !== 503 || tries === TRIES) return answer;
    await new Promise((done) => setTimeout(done, PAUSE_MS));
  }
}

async function titleOf(answer) {
  if (answer.status === 404) return "There is no such receipt: the link may be mistyped";
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("h1")?.textContent ?? "The receipt could not be fetched";
}

// --- telling ---

function show(findings, byWhom, quietly) {
  const summary = summarise(findings);
  section.className = `answers checked ${CLASSES[summary.answer]}`;
  heading.textContent = summary.headline;
  lines.hidden = !summary.lines.length;
  lines.replaceChildren(...summary.lines.map((line) => element("li", escaped(line))));
  by.textContent = escaped(byWhom);
  groups.replaceChildren(...summary.groups.map((group) => groupOf(group, findings.length <= FEW)));
  said.textContent = "";
  section.hidden = false;
  if (!quietly || !isTyping()) heading.focus();
}

/** `few`: of all findings, so that those that hold are shown unfolded; templates/parts/finding.html does the same. */
function groupOf({ title, findings, good, proofs }, few) {
  const name = element("h3", `${escaped(title)} `);
  name.append(Object.assign(element("span", `· ${findings.length}`), { className: "soft" }));
  const folded = wrapped("details", wrapped("summary", name), ...(proofs && findings.length > FEW ? inShort(findings) : [inFull(findings, few)]));
  folded.open = few || !(good || proofs);
  return Object.assign(wrapped("section", folded), { className: good ? "group good" : "group" });
}

/** Many proofs of one kind: the same words once, and what each is about. */
function inShort(findings) {
  const note = Object.assign(element("p", `Does not prove: ${escaped(findings[0].notProves)} Signed by `), { className: "note" });
  note.append(element("code", findings[0].signed));
  const names = Object.assign(element("ul"), { className: "names" });
  names.append(...findings.map((finding) => wrapped("li", element("bdi", escaped(labelOf(finding))), ...called(finding))));
  if (findings.length <= MANY) return [note, names];
  return [note, wrapped("details", element("summary", `Show all ${findings.length}`), names)];
}

function inFull(findings, few) {
  const list = Object.assign(element("ol"), { className: "findings" });
  list.append(...findings.map((finding) => filled(finding, few || finding.answer !== "holds")));
  return list;
}

function filled(finding, open) {
  const item = document.querySelector(`[data-finding="${finding.answer}"]`).content.firstElementChild.cloneNode(true);
  const { file, kind, proves, notProves, signed, error, reason, remedy } = finding;
  const told = { label: labelOf(finding), file, kind, "not-proves": notProves, signed, error, remedy };
  for (const [place, words] of Object.entries(told)) item.querySelectorAll(`[data-${place}]`).forEach((one) => (one.textContent = escaped(words)));
  for (const [place, words] of Object.entries({ proves, reason })) {
    item.querySelectorAll(`[data-${place}]`).forEach((one) => one.replaceChildren(...timed(escaped(words)))); // sentences of ours alone
  }
  item.querySelector("[data-called]").replaceChildren(...called(finding));
  item.querySelector("details").open = open;
  return item;
}

const element = (name, text = "") => Object.assign(document.createElement(name), { textContent: text });

function wrapped(name, ...inner) {
  const outer = element(name);
  outer.append(...inner);
  return outer;
}

function complain(sentence, quietly = false) {
  problem.hidden = !sentence;
  problem.firstElementChild.textContent = sentence;
  said.textContent = "";
  if (sentence && !(quietly && isTyping())) problem.focus();
}

const isTyping = () => keyFields.includes(document.activeElement);

function tellWay(way) {
  for (const note of form.querySelectorAll("[data-way]")) note.hidden = note.dataset.way !== way;
}

// --- events ---

async function start() {
  if (!(await canVerify())) return tellWay("unable");
  tellWay("browser");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    check();
  });
  input.addEventListener("change", () => take(input.files));
  for (const field of keyFields) field.addEventListener("change", () => documents.length && check({ quietly: true }));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
  });
  if (input.files.length) take(input.files); // chosen before this script came
  else if (form.dataset.receipt) takeLinked(form.dataset.receipt);
}

start();
