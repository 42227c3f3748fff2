// Lookup without this script: choose a few pictures and send them. With it: drop, paste or choose many; each is fingerprinted on this
// device, only its fingerprint is sent, and its answer joins the list as it comes. A picture is uploaded only when its person says so.
import { cropping } from "./crop.js";
import { fingerprintFiles } from "./hash/pool.js";
import { hideFromHistory, keepOverSignIn, takeLookedUp } from "./looked-up.js";

const MOST = 100; // pictures at once
const LANES = 3; // questions under way at a time
const TRIES = 3; // of one question, where the server is busy
const NEWS_MS = 4000; // between two spoken reports of progress
const PICTURE_NAME = /\.(jpe?g|png|webp|hei[cf]|avif|gif|tiff?)$/i; // some systems tell no type

const form = document.querySelector("form[data-lookup]");
const [zone, input, camera, start] = [".drop", "#picture", "#camera", "[data-start]"].map((one) => form.querySelector(one));
const [said, strip] = ["[data-said]", "[data-chosen]"].map((one) => form.querySelector(one));
const section = document.querySelector("[data-answers]");
const [heading, going, bar, pace, status, unread, failed, list, next] = [
  "#summary", "[data-going]", "progress", "[data-pace]", "[data-status]", "[data-unread]", "[data-failed]", "ol.found", "[data-next]",
].map((one) => section.querySelector(one)); // prettier-ignore
const megabytes = Math.floor(Number(form.dataset.mostBytes) / 1e6);

/**
 * What was chosen and not yet asked about, and everything in the list. An item: {file, film: its thumbnail, frame: its place among what is
 * chosen, card: its place in the list, byUpload, sent: whether something of it was, state}. The state is "waiting", "told", "unread" (not
 * by this browser), "refused" (not by the server either) or "failed" (without an answer: it may be tried again).
 */
let chosen = [];
let items = [];
let stop = null;

const counted = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
const way = () => form.elements.way.value;

form.querySelector("[data-scripted]").hidden = false;
document.querySelector("[data-plain]").hidden = true;
form.querySelector("[data-hint]").replaceChildren(
  "JPEG, PNG, WebP, HEIC, AVIF, GIF or TIFF, up to 100 at once.",
  element("span", "dropping", " You can also drop or paste them here."),
);

// --- choosing ---

function take(files) {
  if (!files.length) return;
  const pictures = [...files].filter((file) => file.type.startsWith("image/") || PICTURE_NAME.test(file.name));
  const more = pictures.filter((file) => !chosen.some((known) => isSame(known.file, file)));
  const room = MOST - chosen.length;
  chosen.push(...more.slice(0, room).map(choose));
  const [others, left] = [files.length - pictures.length, more.length - room];
  show(
    others ? `${counted(others, "file is no picture", "files are no pictures")} and ${others === 1 ? "was" : "were"} left out.` : "",
    left > 0 ? `These are the first ${MOST}; ${counted(left, "picture was", "pictures were")} left out.` : "",
  );
}

const isSame = (one, other) => one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;

function choose(file) {
  const item = { file, film: thumbnail(file) };
  const button = element("button", "remove", "×");
  button.type = "button";
  button.setAttribute("aria-label", `Remove ${nameOf(file)}`);
  button.addEventListener("click", () => remove(item));
  strip.append((item.frame = element("li", "frame", item.film, button)));
  return item;
}

function remove(item) {
  const beside = item.frame.nextElementSibling ?? item.frame.previousElementSibling;
  chosen = chosen.filter((one) => one !== item);
  item.frame.remove();
  release(item.film.querySelector("img"));
  input.value = camera.value = ""; // so that the same file can be chosen again
  show(`${nameOf(item.file)} was removed.`);
  (beside?.querySelector("button") ?? input).focus();
}

function show(...news) {
  strip.hidden = !chosen.length;
  start.textContent = chosen.length > 1 ? `Look up ${chosen.length} pictures` : "Look it up";
  const ready = chosen.length === 1 ? `Ready: ${nameOf(chosen[0].file)}` : "";
  said.textContent = [...news, ready].filter(Boolean).join(" ");
}

function thumbnail(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  image.alt = nameOf(file);
  image.loading = "lazy";
  image.decoding = "async";
  image.addEventListener("load", () => release(image));
  image.addEventListener("error", () => {
    release(image);
    image.replaceWith(element("span", "name", image.alt)); // a kind that this browser cannot show
  });
  return element("span", "film", image);
}

const nameOf = (file) => file.name || "the picture you pasted";
const release = (image) => image && URL.revokeObjectURL(image.src);

/** The left side of an answer: what was asked about. */
function yours({ file, film }) {
  const edge = element("span", "no", element("span", "", "your file"));
  edge.setAttribute("aria-hidden", "true");
  film.append(edge);
  return element("div", "chosen", film, element("p", "name", nameOf(file)));
}

function element(tag, className, ...inside) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...inside);
  return made;
}

// --- asking ---

async function ask(asked) {
  stop = new AbortController();
  const { signal } = stop;
  const doing = { asked, hashed: 0, answered: 0, spoken: Date.now() };
  begin(doing);
  try {
    await compare(doing, signal);
    await upload(doing, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop = null;
    end(asked, signal.aborted);
  }
}

async function compare(doing, signal) {
  const known = doing.asked.filter((item) => !item.byUpload && item.fingerprint);
  await inLanes(known, (item) => compareOne(doing, item, signal));
  const byFile = new Map(doing.asked.filter((item) => !item.byUpload && !item.fingerprint).map((item) => [item.file, item]));
  const onProgress = (done) => progress(doing, { hashed: known.length + done });
  await inLanes(fingerprintFiles([...byFile.keys()], { onProgress, signal }), async ({ file, fingerprint, error }) => {
    const item = byFile.get(file);
    if (error) {
      offerUpload(item, error);
      return progress(doing, { answered: doing.answered + 1 });
    }
    item.fingerprint = JSON.stringify(fingerprint);
    await compareOne(doing, item, signal);
  });
}

async function compareOne(doing, item, signal) {
  await question(item, { fingerprint: item.fingerprint }, signal);
  progress(doing, { answered: doing.answered + 1 });
}

async function upload(doing, signal) {
  doing.hashed = doing.asked.length;
  for (const item of doing.asked.filter((item) => item.byUpload)) { // one at a time: a client has one turn
    if (item.file.size > megabytes * 1e6) fail(item, tooLargeToUpload(), "refused");
    else await question(item, { picture: item.file }, signal);
    progress(doing, { answered: doing.answered + 1 });
  }
}

/** Takes one after the other from `source`, so that at most `LANES` are under way. */
async function inLanes(source, work) {
  const underWay = new Set();
  for await (const one of source) {
    const job = work(one).finally(() => underWay.delete(job));
    underWay.add(job);
    job.catch(() => {}); // told by the race or by the last wait
    if (underWay.size >= LANES) await Promise.race(underWay);
  }
  await Promise.all(underWay);
}

async function question(item, fields, signal) {
  const body = new FormData();
  for (const [name, value] of Object.entries({ csrf_token: form.elements.csrf_token.value, part: "1", ...fields })) body.append(name, value);
  try {
    item.sent = true;
    const answer = await post(body, signal);
    tell(item, answer.status, await answer.text());
  } catch (error) {
    if (signal.aborted) throw error;
    fail(item, "No answer came. Is this device online?");
  }
}

/** The server's answer. Waits as long as the server asks for: each time it was asked too often, but not for ever where it is busy. */
async function post(body, signal) {
  for (let tries = 1; ; ) {
    const answer = await fetch(form.action, { method: "POST", body, signal });
    const seconds = Number(answer.headers.get("Retry-After")) || 10;
    if (answer.status === 429) await pause("Many lookups in a short time: going on", seconds, signal);
    else if (answer.status === 503 && tries++ < TRIES) await pause("We are busy for a moment: trying again", seconds, signal);
    else return answer;
  }
}

async function pause(reason, seconds, signal) {
  signal.throwIfAborted();
  const length = seconds > 90 ? counted(Math.ceil(seconds / 60), "minute") : counted(seconds, "second");
  pace.textContent = `${reason} in ${length}. You can leave this page open.`;
  await new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
  pace.textContent = "";
}

// --- telling ---

function begin({ asked }) {
  section.hidden = false;
  unread.hidden = failed.hidden = true;
  setBusy(true);
  next.hidden = !items.some((item) => item.state === "told");
  heading.textContent = `Looking up ${counted(asked.length, "picture")}`;
  for (const item of asked) {
    if (!item.card) list.append((item.card = element("li", "", yours(item))));
    put(item, "waiting", element("p", "note", "Waiting…"));
  }
  progress({ asked, hashed: 0, answered: 0, spoken: Infinity }, {});
  heading.focus();
}

function progress(doing, news) {
  Object.assign(doing, news);
  const { asked, hashed, answered } = doing;
  bar.value = (hashed + answered) / (2 * asked.length);
  if (Date.now() - doing.spoken < NEWS_MS || answered === asked.length) return;
  doing.spoken = Date.now();
  status.textContent = `${answered} of ${asked.length} looked up`;
}

function put(item, state, ...inside) {
  item.state = state;
  item.card.querySelector(".told")?.remove();
  item.card.append(element("div", "told", ...inside));
}

function tell(item, code, html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const part = page.querySelector(".told");
  if (!part) return fail(item, sentenceOf(page), code === 413 ? "refused" : "failed");
  item.state = code === 200 ? "told" : "refused";
  for (const field of part.querySelectorAll("input[type=hidden]")) field.value = nameOf(item.file);
  for (const words of part.querySelectorAll("span[data-name]")) words.textContent = ` (${nameOf(item.file)})`;
  item.card.querySelector(".told").replaceWith(part);
  if (part.matches("[data-found='0']:not([data-perhaps], [data-limited])")) offerCrop(item, part);
  next.hidden = !items.some((one) => one.state === "told");
  count();
}

/** A picture without a match may be a screenshot of one that has. Of what came back after signing in, only the name is left. */
function offerCrop(item, part) {
  if (!(item.file instanceof Blob)) return;
  const offer = cropping(item.file, (file) => {
    const cropped = { file, film: thumbnail(file), byUpload: false };
    items.push(cropped);
    ask([cropped]);
  });
  offer.querySelector("button").disabled = !going.hidden;
  part.append(offer);
}

/** What the server says on a page about a problem. */
function sentenceOf(page) {
  const [title, text] = ["h1", ".lede"].map((one) => page.querySelector(one)?.textContent);
  return title && text ? `${title}. ${text}` : "Something broke on our side. Please try again later.";
}

function fail(item, sentence, state = "failed") {
  put(item, state, element("p", "error-text", sentence));
}

function offerUpload(item, error) {
  if (error.reason === "unsupported") return fail(item, error.message, "refused");
  if (error.reason === "too-large") { // for the server, too; a part of it is not
    fail(item, error.message, "refused");
    return offerCrop(item, item.card.querySelector(".told"));
  }
  if (item.file.size > megabytes * 1e6) return fail(item, `${error.message} ${tooLargeToUpload()}`, "refused");
  const button = element("button", "btn quiet slim", "Upload this one", element("span", "out-of-sight", ` (${nameOf(item.file)})`));
  button.type = "button";
  button.disabled = true; // until nothing is under way
  button.addEventListener("click", () => uploadThese([item]));
  put(item, "unread", element("p", "", `${error.message} It was not sent. We can read it for you, if you upload it.`), button);
}

const tooLargeToUpload = () => `This file is too large to upload: at most ${megabytes} MB.`;

function uploadThese(these) {
  for (const item of these) item.byUpload = true;
  ask(these);
}

function end(asked, stopped) {
  for (const item of asked.filter((one) => one.state === "waiting")) {
    put(item, "failed", element("p", "note", item.sent ? "Stopped; it may have been sent." : "Stopped before it was looked up."));
  }
  heading.textContent = summary();
  status.textContent = `${stopped ? "Stopped" : "Done"}. ${heading.textContent}`;
  const [unable, unanswered] = [inState("unread").length, inState("failed").length];
  unread.hidden = unable < 2;
  unread.firstElementChild.textContent = `${unable} pictures could not be read on this device, and were not sent. We read uploads from memory and do not keep them.`;
  failed.hidden = !unanswered;
  failed.firstElementChild.textContent = `${counted(unanswered, "picture was", "pictures were")} not looked up.`;
  pace.textContent = "";
  setBusy(false);
}

function summary() {
  const told = inState("told");
  if (!told.length) return "None could be looked up.";
  if (items.length === 1) return told[0].card.querySelector(".verdict").textContent.trim();
  const having = (one) => told.filter((item) => item.card.querySelector(one)).length;
  const [found, perhaps] = [having("[data-found='1']"), having("[data-perhaps]")];
  const [unable, unanswered] = [inState("unread").length + inState("refused").length, inState("failed").length];
  const parts = [
    `${found} of ${told.length} found in a training list`,
    perhaps && `${perhaps} perhaps`,
    unable && `${unable} could not be read`,
    unanswered && `${unanswered} not looked up`,
  ];
  return `${parts.filter(Boolean).join(", ")}.`;
}

const inState = (state) => items.filter((item) => item.state === state);

function setBusy(busy) {
  going.hidden = !busy;
  start.disabled = busy;
  for (const button of list.querySelectorAll("button")) button.disabled = busy;
}

/** Says how many are ticked. A picture carries all its hashes in the form, so only so many fit. */
function ticked({ target }) {
  if (target.type !== "checkbox") return; // an edge of a crop
  const most = Number(form.dataset.mostPictures);
  const tooMany = list.querySelectorAll("input[name=picture]:checked").length > most;
  if (tooMany) target.checked = false;
  complain(tooMany ? `At most ${counted(most, "picture")} at a time. Opt these out first, then the others.` : "");
  count();
}

function complain(sentence) {
  next.querySelector("[data-too-many]").textContent = sentence;
}

function count() {
  const shown = next.querySelector("[data-count]");
  if (!shown) return; // nobody is signed in
  const ticked = list.querySelectorAll("input:checked").length;
  shown.textContent = ticked ? `${ticked} ticked` : "";
}

// --- events ---

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!chosen.length) return void (said.textContent = "Choose a picture first.");
  const asked = chosen;
  for (const item of asked) item.byUpload = way() === "upload";
  items.push(...asked);
  chosen = [];
  input.value = camera.value = "";
  ask(asked);
  strip.replaceChildren();
  show();
});
for (const field of [input, camera]) field.addEventListener("change", () => take(field.files));
section.querySelector("[data-cancel]").addEventListener("click", () => stop?.abort());
section.querySelector("[data-upload-all]").addEventListener("click", () => uploadThese(inState("unread")));
section.querySelector("[data-again]").addEventListener("click", () => ask(inState("failed")));
list.addEventListener("change", ticked);
list.closest("form")?.addEventListener("submit", (event) => {
  if (list.querySelector("input:checked")) return;
  event.preventDefault();
  complain("Tick at least one first.");
});
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
  take(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => take(event.clipboardData.files));

// --- signing in meanwhile ---

keepOverSignIn(() => inState("told").filter((item) => item.fingerprint).map((item) => ({ name: nameOf(item.file), fingerprint: item.fingerprint })));
const signedIn = next.querySelector("[data-count]") !== null;
if (signedIn) hideFromHistory(section);
const waited = signedIn ? takeLookedUp() : [];
if (waited.length) {
  items.push(...waited.map(({ name, fingerprint }) => ({ file: { name }, film: element("span", "film", element("span", "name", name)), fingerprint })));
  ask([...items]);
}
