// Lookup without this script: choose a few pictures and send them. With it: drop, paste or choose many; each is fingerprinted on this
// device, only its fingerprint is sent, and its answer joins the list as it comes. A picture is uploaded only when its person says so.
import { fingerprintFiles } from "./hash/pool.js";

const MOST = 100; // pictures at once
const LANES = 3; // questions under way at a time
const NEWS_MS = 4000; // between two spoken reports of progress
const PICTURE_NAME = /\.(jpe?g|png|webp|hei[cf]|avif|gif|tiff?)$/i; // some systems tell no type

const form = document.querySelector("form[data-lookup]");
const [zone, input, camera, start] = [".drop", "#picture", "#camera", "[data-start]"].map((one) => form.querySelector(one));
const [said, strip] = ["[data-said]", "[data-chosen]"].map((one) => form.querySelector(one));
const section = document.querySelector("[data-answers]");
const [heading, going, bar, pace, status, unread, list, next] = [
  "#summary", "[data-going]", "progress", "[data-pace]", "[data-status]", "[data-unread]", "ol.found", "[data-next]",
].map((one) => section.querySelector(one)); // prettier-ignore
const megabytes = Math.floor(Number(form.dataset.mostBytes) / 1e6);

/** What was chosen and not yet asked about, and everything in the list. An item: {file, card, state: "waiting" | "told" | "unread" | "failed"}. */
let chosen = [];
let items = [];
let stop = null;

const counted = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
const way = () => form.elements.way.value;

form.querySelector("[data-scripted]").hidden = false;
document.querySelector("[data-plain]").hidden = true;
form.querySelector("[data-hint]").textContent = "JPEG, PNG, WebP, HEIC, AVIF, GIF or TIFF, up to 100 at once. You can also drop or paste them here.";

// --- choosing ---

function take(files) {
  const same = (file) => chosen.some((known) => known.name === file.name && known.size === file.size && known.lastModified === file.lastModified);
  const pictures = [...files].filter((file) => file.type.startsWith("image/") || PICTURE_NAME.test(file.name));
  const more = pictures.filter((file) => !same(file));
  const left = chosen.length + more.length - MOST;
  chosen = [...chosen, ...more].slice(0, MOST);
  show();
  if (left > 0) said.textContent = `These are the first ${MOST}; ${counted(left, "picture was", "pictures were")} left out.`;
  else if (files.length && !pictures.length) said.textContent = "That is no picture.";
}

function show() {
  strip.replaceChildren(...chosen.map((file) => element("li", "frame", thumbnail(file))));
  strip.hidden = !chosen.length;
  start.textContent = chosen.length > 1 ? `Look up ${chosen.length} pictures` : "Look it up";
  said.textContent = chosen.length === 1 ? `Ready: ${chosen[0].name || "the picture you pasted"}` : "";
}

function thumbnail(file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  image.alt = file.name || "The picture you pasted";
  image.loading = "lazy";
  image.decoding = "async";
  image.addEventListener("error", () => image.replaceWith(element("span", "name", image.alt))); // a kind that this browser cannot show
  return element("span", "film", image);
}

/** The left side of an answer: what was asked about. */
function yours(file) {
  const film = thumbnail(file);
  const edge = element("span", "no", element("span", "", "your file"));
  edge.setAttribute("aria-hidden", "true");
  film.append(edge);
  return element("div", "chosen", film, element("p", "name", file.name));
}

function element(tag, className, ...inside) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...inside);
  return made;
}

// --- asking ---

async function ask(asked, byUpload) {
  stop = new AbortController();
  const { signal } = stop;
  const doing = { asked, hashed: 0, answered: 0, spoken: Date.now() };
  begin(doing);
  try {
    await (byUpload ? upload(doing, signal) : compare(doing, signal));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop = null;
    end(asked);
  }
}

async function compare(doing, signal) {
  const byFile = new Map(doing.asked.map((item) => [item.file, item]));
  const onProgress = (done) => progress(doing, { hashed: done });
  await inLanes(fingerprintFiles([...byFile.keys()], { onProgress, signal }), async ({ file, fingerprint, error }) => {
    const item = byFile.get(file);
    if (error) offerUpload(item, error);
    else await question(item, { fingerprint: JSON.stringify(fingerprint) }, signal);
    progress(doing, { answered: doing.answered + 1 });
  });
}

async function upload(doing, signal) {
  doing.hashed = doing.asked.length;
  await inLanes(doing.asked, async (item) => {
    if (item.file.size > megabytes * 1e6) fail(item, `This file is too large to upload: at most ${megabytes} MB.`);
    else await question(item, { picture: item.file }, signal);
    progress(doing, { answered: doing.answered + 1 });
  });
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
    let answer;
    while (await mustWait((answer = await fetch(form.action, { method: "POST", body, signal })), signal));
    tell(item, answer.status, await answer.text());
  } catch (error) {
    if (signal.aborted) throw error;
    fail(item, "No answer came. Is this device online?");
  }
}

/** Waits as long as the server asks for, and says so. Returns whether it did. */
async function mustWait(answer, signal) {
  if (answer.status !== 429 && answer.status !== 503) return false;
  const seconds = Number(answer.headers.get("Retry-After")) || 10;
  pace.textContent = `Many lookups in a short time: going on in ${counted(seconds, "second")}. You can leave this page open.`;
  await new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
  pace.textContent = "";
  return true;
}

// --- telling ---

function begin({ asked }) {
  section.hidden = going.hidden = false;
  unread.hidden = true;
  start.disabled = true;
  next.hidden = !items.some((item) => item.state === "told");
  heading.textContent = `Looking up ${counted(asked.length, "picture")}`;
  for (const item of asked) {
    if (!item.card) list.append((item.card = element("li", "", yours(item.file))));
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
  const part = new DOMParser().parseFromString(html, "text/html").querySelector(".told");
  if (code === 413) return fail(item, `This file is too large to upload: at most ${megabytes} MB.`);
  if (code === 400) return fail(item, "This page is out of date. Reload it and try again.");
  if (!part || (code !== 200 && code !== 422)) return fail(item, "Something broke on our side. Please try again later.");
  item.state = code === 200 ? "told" : "failed";
  item.card.querySelector(".told").replaceWith(part);
  next.hidden = !items.some((one) => one.state === "told");
  count();
}

function fail(item, sentence) {
  put(item, "failed", element("p", "error-text", sentence));
}

function offerUpload(item, error) {
  const button = element("button", "btn quiet slim", "Upload this one");
  button.type = "button";
  button.addEventListener("click", () => stop || ask([item], true));
  put(item, "unread", element("p", "", `${error.message} It was not sent. We can read it for you, if you upload it.`), button);
}

function end(asked) {
  for (const item of asked) if (item.state === "waiting") put(item, "failed", element("p", "note", "Stopped before it was looked up."));
  const told = items.filter((item) => item.state === "told");
  const found = told.filter((item) => item.card.querySelector("[data-found='1']")).length;
  const only = told.length === 1 && items.length === 1 && told[0].card.querySelector(".verdict");
  heading.textContent = only ? only.textContent : `${found} of ${told.length} ${found === 1 ? "stands" : "stand"} in a manifest`;
  const unable = items.filter((item) => item.state === "unread").length;
  unread.hidden = unable < 2;
  unread.firstElementChild.textContent = `${unable} pictures could not be read on this device, and were not sent. We read uploads from memory and do not keep them.`;
  status.textContent = `Done. ${heading.textContent}.`;
  pace.textContent = "";
  going.hidden = true;
  start.disabled = false;
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
  const asked = chosen.map((file) => ({ file }));
  items.push(...asked);
  chosen = [];
  input.value = camera.value = "";
  show();
  ask(asked, way() === "upload");
});
for (const field of [input, camera]) field.addEventListener("change", () => take(field.files));
section.querySelector("[data-cancel]").addEventListener("click", () => stop?.abort());
section.querySelector("[data-upload-all]").addEventListener("click", () => stop || ask(items.filter((item) => item.state === "unread"), true));
list.addEventListener("change", count);
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
