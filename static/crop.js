// Cuts a picture out of a screenshot, on this device: by dragging a corner of the frame, by dragging over the picture, by pointing at two
// opposite corners, or by the place of each edge in pixels. The browser shows the picture itself, so that nothing of its size is made here
// before a part is chosen; and a part is never made larger than lookups gain from.
import { kindOf, sizeOf } from "./hash/container.js";

const EDGES = ["left", "top", "right", "bottom"];
const CORNERS = [[0, 1], [2, 1], [0, 3], [2, 3]]; // of the frame: which edges meet in it
const MOST_SHOWN = 150e6; // pixels; what is larger, a browser may fail to show
const MOST_CUT = 8e6; // pixels of a part; it is fingerprinted at some 256 × 256
const HEADER = 1 << 20; // bytes in which a file says its size
const LONG = 3; // times the other side: such a picture is not shown whole, but scrolls
const STILL = 5; // CSS pixels within which a press is no drag
const RIM = 40; // CSS pixels from the rim at which dragging scrolls
const LEAP = 0.05; // of the picture, by Page Up and Page Down

/** A part of the page that offers to crop `file`. Calls `use` with the part, as a PNG file, once it is chosen. */
export function cropping(file, use) {
  const details = document.createElement("details");
  details.className = "crop";
  details.innerHTML = `<summary>Crop it and look again</summary>
    <p class="note">Drag the corners of the frame to the picture, or point at two opposite corners of it. By keyboard, move each edge: arrow keys by a pixel, Page Up and Page Down by a twentieth. The part stays on your device, too.</p>
    <div class="stage" tabindex="0" role="region" aria-label="The picture to crop"><div class="whole"><img alt="What you looked up" draggable="false"><div class="cut" aria-hidden="true">${CORNERS.map((_, at) => `<span data-corner="${at}"></span>`).join("")}</div></div></div>
    <div class="row edges">${EDGES.map((edge) => `<label>${edge[0].toUpperCase()}${edge.slice(1)} edge <input type="number" form="" min="0" data-edge="${edge}"></label>`).join("")}</div>
    <p class="row"><button class="btn slim" type="button">Use this part</button> <span class="note" role="status" data-size></span></p>`;
  details.addEventListener("toggle", () => open(details, file, use), { once: true });
  return details;
}

async function open(details, file, use) {
  const image = details.querySelector("img");
  const refusal = (await isHuge(file)) ? "This picture is too large to be cropped here." : (await shown(image, file)) ? "" : "This browser cannot show this kind of picture.";
  if (refusal) {
    for (const part of [".stage", ".edges", ".row"]) details.querySelector(part).remove();
    details.querySelector(".note").textContent = `${refusal} Crop it with another program, then choose the part.`;
    return;
  }
  const frame = framed(details, image);
  const button = details.querySelector("button");
  details.querySelector(".edges").addEventListener("keydown", (event) => event.key === "Enter" && button.click());
  button.addEventListener("click", async () => {
    const part = frame.part();
    if (!part) return frame.say("These edges hold no part of the picture.");
    if (part.width === image.naturalWidth && part.height === image.naturalHeight) return frame.say("Draw a part first: this is the whole picture.");
    const data = await cut(image, part);
    if (!data) return frame.say("This part could not be cut out: this device has too little memory.");
    use(new File([data], `part of ${(file.name || "the picture").replace(/\.\w+$/, "")}.png`, { type: "image/png" }));
  });
}

async function isHuge(file) {
  const bytes = new Uint8Array(await file.slice(0, HEADER).arrayBuffer());
  const size = sizeOf(bytes, kindOf(bytes));
  return size !== null && size.width * size.height > MOST_SHOWN;
}

/** Whether the browser shows the file. Its address is kept while the page is open: a browser may drop the pixels and read it again. */
function shown(image, file) {
  return new Promise((resolve) => {
    image.addEventListener("load", () => resolve(true), { once: true });
    image.addEventListener("error", () => (URL.revokeObjectURL(image.src), resolve(false)), { once: true });
    image.src = URL.createObjectURL(file);
  });
}

// --- the frame ---

/** {part(): what is framed, in the picture's own pixels, or null; say(): tells the person} */
function framed(details, image) {
  const [stage, whole, box, size] = [".stage", ".whole", ".cut", "[data-size]"].map((one) => details.querySelector(one));
  const inputs = EDGES.map((edge) => details.querySelector(`[data-edge=${edge}]`));
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const most = [width, height, width, height];
  const say = (words) => (size.textContent = words);

  function part() {
    const [left, top, right, bottom] = inputs.map((input) => input.valueAsNumber);
    const isPart = [left, top, right, bottom].every(Number.isInteger) && left >= 0 && top >= 0 && left < right && top < bottom && right <= width && bottom <= height;
    return isPart ? { x: left, y: top, width: right - left, height: bottom - top } : null;
  }

  function draw() {
    const at = part();
    box.hidden = !at;
    if (!at) return say("These edges hold no part of the picture.");
    Object.assign(box.style, { left: share(at.x, width), top: share(at.y, height), width: share(at.width, width), height: share(at.height, height) });
    say(`${at.width.toLocaleString("en")} × ${at.height.toLocaleString("en")} pixels`);
  }

  function put(edges) {
    inputs.forEach((input, at) => (input.value = Math.min(Math.max(Math.round(edges[at]), 0), most[at])));
    draw();
  }

  whole.style.setProperty("--width", `${width}px`);
  whole.style.setProperty("--ratio", width / height);
  stage.classList.toggle("tall", height > LONG * width);
  stage.classList.toggle("wide", width > LONG * height);
  inputs.forEach((input, at) => {
    input.max = most[at];
    input.addEventListener("input", draw);
    input.addEventListener("keydown", (event) => leap(event, most[at], draw));
  });
  const edges = () => inputs.map((input) => input.valueAsNumber || 0);
  pointed({ stage, whole, image, put, edges, say });
  put([0, 0, width, height]);
  return { part, say };
}

const share = (part, whole) => `${(100 * part) / whole}%`;
const between = ([x, y], [otherX, otherY]) => [Math.min(x, otherX), Math.min(y, otherY), Math.max(x, otherX), Math.max(y, otherY)];

function leap(event, most, draw) {
  const way = { PageUp: 1, PageDown: -1 }[event.key];
  if (!way) return;
  event.preventDefault();
  const input = event.target;
  input.value = Math.min(Math.max(Math.round((input.valueAsNumber || 0) + way * LEAP * most), 0), most);
  draw();
}

/**
 * A corner of the frame is dragged by any pointer. Elsewhere a finger scrolls, and a mouse or a pen draws a new frame. A click or a tap names
 * a corner, and the next one the corner opposite.
 */
function pointed({ stage, whole, image, put, edges, say }) {
  let drag = null; // {fixed: the corner that stays, from: where it was pressed, last: the newest event, moved}
  let first = null; // the corner that was pointed at
  let wasDrag = false;

  const at = ({ clientX, clientY }) => {
    const box = image.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * image.naturalWidth, ((clientY - box.top) / box.height) * image.naturalHeight];
  };

  whole.addEventListener("pointerdown", (event) => {
    wasDrag = false;
    if (event.button !== 0 || !event.isPrimary) return;
    const corner = CORNERS[event.target.dataset.corner];
    if (!corner && event.pointerType === "touch") return;
    const opposite = corner && CORNERS.find(([x, y]) => x !== corner[0] && y !== corner[1]).map((edge) => edges()[edge]);
    drag = { fixed: opposite ?? at(event), from: event, last: event, moved: false };
    whole.setPointerCapture(event.pointerId);
    if (corner) requestAnimationFrame(scrollAtRim);
  });
  whole.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.last = event;
    drag.moved ||= Math.hypot(event.clientX - drag.from.clientX, event.clientY - drag.from.clientY) > STILL;
    if (drag.moved) put(between(drag.fixed, at(event)));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    whole.addEventListener(end, () => {
      wasDrag = drag?.moved ?? false;
      if (wasDrag) first = null;
      drag = null;
    });
  }
  whole.addEventListener("click", (event) => {
    if (wasDrag) return void (wasDrag = false);
    const point = at(event);
    if (first) return void (put(between(first, point)), (first = null));
    first = point;
    put([...point, image.naturalWidth, image.naturalHeight]);
    say("Now point at the opposite corner.");
  });

  function scrollAtRim() {
    if (!drag) return;
    const [rim, { clientX, clientY }] = [stage.getBoundingClientRect(), drag.last];
    const by = (before, after) => (before < RIM ? before - RIM : after < RIM ? RIM - after : 0) / 4;
    const before = [stage.scrollLeft, stage.scrollTop];
    if (drag.moved) stage.scrollBy(by(clientX - rim.left, rim.right - clientX), by(clientY - rim.top, rim.bottom - clientY));
    if (stage.scrollLeft !== before[0] || stage.scrollTop !== before[1]) put(between(drag.fixed, at(drag.last)));
    requestAnimationFrame(scrollAtRim);
  }
}

// --- the part ---

/** As a PNG file, at most `MOST_CUT` pixels; null where it cannot be made. */
function cut(image, { x, y, width, height }) {
  const scale = Math.min(1, Math.sqrt(MOST_CUT / (width * height)));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = canvas.getContext("2d");
  if (!context) return Promise.resolve(null);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, x, y, width, height, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
