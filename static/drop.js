// Lookup without this script: choose a file and send. With it: drop or paste a picture anywhere on the page, and see it before sending.
const form = document.querySelector("form[data-drop]");
const zone = form.querySelector(".drop");
const input = form.querySelector("#picture");
const camera = form.querySelector("#camera");
const preview = form.querySelector("[data-preview]");
const limit = Number(form.dataset.max);
form.querySelector("[data-hint]").textContent += ". You can also drop or paste it here.";

function take(files) {
  const picture = [...files].find((file) => file.type.startsWith("image/"));
  if (!picture) return;
  const carrier = new DataTransfer();
  carrier.items.add(picture);
  input.files = carrier.files;
  camera.value = "";
  show(picture);
}

function show(file) {
  for (const old of preview.querySelectorAll("img")) URL.revokeObjectURL(old.src);
  preview.hidden = !file;
  if (!file) return preview.replaceChildren();
  const image = new Image();
  image.src = URL.createObjectURL(file);
  image.alt = "The picture you chose";
  image.addEventListener("error", () => image.remove()); // a format this browser cannot show; the server may still read it
  const line = document.createElement("p");
  line.setAttribute("role", "status");
  const tooLarge = file.size > limit;
  line.className = tooLarge ? "error-text" : "note";
  line.textContent = tooLarge
    ? `This file is too large: ${Math.round(file.size / 1e6)} MB of at most ${Math.floor(limit / 1e6)} MB.`
    : `Ready: ${file.name || "the picture you pasted"}`;
  preview.replaceChildren(image, line);
}

input.addEventListener("change", () => {
  camera.value = "";
  show(input.files[0]);
});
camera.addEventListener("change", () => {
  input.value = "";
  show(camera.files[0]);
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
