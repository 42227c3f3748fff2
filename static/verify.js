// Checks receipts and proofs in the page. Everything is loaded with it, so it works with the network off. Without this script, or where a
// browser cannot check signatures, the form is sent and the server answers.
import { verifyDocuments } from "./verify/checks.js";
import { Refused } from "./verify/refused.js";
import { canVerify, VerifyKey } from "./verify/signing.js";
import { summaryOf } from "./verify/words.js";
import { isZip, unpack } from "./verify/zip.js";

const MOST_BYTES = 256e6; // of one file; what is larger is not for a browser
const MOST_OPEN = 5; // of more findings, only those that were refused are unfolded
const MOST_SHOWN = 100; // findings, of a bundle that may hold thousands
const PAUSE_MS = 2000;
const TRIES = 15; // of a receipt that the log does not hold yet

const form = document.querySelector("form[data-verify]");
const [zone, input, keys, said] = [".drop", "#file", "#keys", "[data-said]"].map((one) => form.querySelector(one));
const [problem, section] = ["[data-problem]", "[data-findings]"].map((one) => document.querySelector(one));
const [heading, list, more] = ["#summary", ".findings", "[data-more]"].map((one) => section.querySelector(one));

/** What was chosen last: {name, bytes}. Another key is tried on the same. */
let documents = [];
let turn = 0;

// --- checking ---

async function check() {
  const mine = ++turn;
  section.hidden = true;
  complain("");
  if (!documents.length) return complain("Choose a file first.");
  said.textContent = "Checking…";
  try {
    const [trusted, files] = await Promise.all([trustedKeys(), Promise.all(documents.map(filesOf))]);
    const findings = await verifyDocuments(files.flat(), trusted);
    if (mine === turn) show(findings);
  } catch (error) {
    if (mine === turn) complain(sentenceOf(error));
    if (!(error instanceof Refused)) throw error;
  }
}

function sentenceOf(error) {
  if (!(error instanceof Refused)) return "Something broke while checking. The demur command checks the same files.";
  return `${error.name === "BadKey" ? "One of the keys cannot be read: " : ""}${error.message}.`;
}

const filesOf = (document) => (isZip(document.bytes) ? unpack(document) : [document]);

function trustedKeys() {
  const lines = (keys.value.trim() || keys.defaultValue).split("\n").filter((line) => line.trim());
  return Promise.all(lines.map((line) => VerifyKey.parse(line)));
}

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

function show(findings) {
  const shown = [...findings.filter(({ refusal }) => refusal), ...findings.filter(({ refusal }) => !refusal)].slice(0, MOST_SHOWN);
  list.replaceChildren(...(findings.length > MOST_SHOWN ? shown : findings).map(filled));
  for (const folded of list.querySelectorAll(".finding:not(.refused) > details")) folded.open = findings.length <= MOST_OPEN;
  more.hidden = findings.length <= MOST_SHOWN;
  more.textContent = `And ${(findings.length - MOST_SHOWN).toLocaleString("en")} more: those that were refused are shown first.`;
  heading.textContent = summaryOf(findings);
  said.textContent = "";
  section.hidden = false;
  heading.focus();
}

function filled({ file, kind, proves, notProves, refusal }) {
  const [, error, reason] = /^(\w+): (.*)$/su.exec(refusal) ?? [];
  const item = document.querySelector(`[data-finding=${refusal ? "refused" : "holds"}]`).content.firstElementChild.cloneNode(true);
  for (const [place, words] of Object.entries({ file, kind, proves, "not-proves": notProves, error, reason })) {
    item.querySelectorAll(`[data-${place}]`).forEach((one) => (one.textContent = words));
  }
  return item;
}

function complain(sentence) {
  problem.hidden = !sentence;
  problem.firstElementChild.textContent = sentence;
  said.textContent = "";
}

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
  keys.addEventListener("change", () => documents.length && check());
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
