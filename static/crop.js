// Cuts a picture out of a screenshot, on this device: by dragging over it, or by the place of each edge in pixels.

const EDGES = ["left", "top", "right", "bottom"];

/** A part of the page that offers to crop `file`. Calls `use` with the part, as a PNG file, once it is chosen. */
export function cropping(file, use) {
  const details = document.createElement("details");
  details.className = "crop";
  details.innerHTML = `<summary>Crop it and look again</summary>
    <p class="note" role="status">Drag over the picture in the screenshot, or give its edges in pixels. The part stays on your device, too.</p>
    <canvas aria-hidden="true"></canvas>
    <div class="row">${EDGES.map((edge) => `<label>${edge[0].toUpperCase()}${edge.slice(1)} edge <input type="number" form="" min="0" data-edge="${edge}"></label>`).join("")}</div>
    <p><button class="btn slim" type="button">Use this part</button></p>`;
  details.addEventListener("toggle", () => open(details, file, use), { once: true });
  return details;
}

async function open(details, file, use) {
  const [canvas, button, said] = ["canvas", "button", "[role=status]"].map((one) => details.querySelector(one));
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) {
    for (const part of [canvas, button.parentElement, details.querySelector(".row")]) part.remove();
    said.textContent = "This browser cannot show this kind of picture. Crop it on your device, then choose the part.";
    return;
  }
  const inputs = EDGES.map((edge) => details.querySelector(`[data-edge=${edge}]`));
  const most = [picture.width, picture.height, picture.width, picture.height];
  [canvas.width, canvas.height] = most;
  const put = (edges) => {
    inputs.forEach((input, at) => (input.value = Math.min(Math.max(Math.round(edges[at]), 0), most[at])));
    draw(canvas, picture, part(inputs));
  };
  inputs.forEach((input, at) => (input.max = most[at]));
  for (const input of inputs) input.addEventListener("input", () => draw(canvas, picture, part(inputs)));
  dragged(canvas, put);
  button.addEventListener("click", async () => {
    const { x, y, width, height } = part(inputs);
    if (!(width > 0 && height > 0 && x >= 0 && y >= 0 && x + width <= most[0] && y + height <= most[1])) {
      said.textContent = "These edges hold no part of the picture.";
      return;
    }
    use(new File([await cut(picture, { x, y, width, height })], `part of ${(file.name || "the picture").replace(/\.\w+$/, "")}.png`, { type: "image/png" }));
  });
  put([0, 0, picture.width, picture.height]);
}

function part(inputs) {
  const [left, top, right, bottom] = inputs.map((input) => Math.round(input.valueAsNumber));
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function draw(canvas, picture, { x, y, width, height }) {
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  context.fillStyle = "rgb(0 0 0 / .6)";
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (width > 0 && height > 0) context.drawImage(picture, x, y, width, height, x, y, width, height);
}

function dragged(canvas, put) {
  let from = null;
  const at = ({ offsetX, offsetY }) => [(offsetX * canvas.width) / canvas.clientWidth, (offsetY * canvas.height) / canvas.clientHeight];
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = at(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = at(event);
    put([Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])]);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (from = null));
}

function cut(picture, { x, y, width, height }) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").drawImage(picture, x, y, width, height, 0, 0, width, height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
