// The contact sheet without this script: tick photos, go from page to page by its buttons, and send. With it: a running count, ranges by
// Shift, and ticks that are kept even when the page is left by a link.
const QUIET_MS = 600;

for (const form of document.querySelectorAll("form[data-select]")) {
  const boxes = [...form.querySelectorAll("input[name=uid]")];
  const counts = form.querySelectorAll("[data-count]");
  const clear = form.querySelector("[data-clear]");
  const sheet = form.querySelector("[data-elsewhere]");
  if (!sheet) continue;
  const elsewhere = Number(sheet.dataset.elsewhere);
  let waiting = 0;
  let last = null;

  function show() {
    const chosen = boxes.filter((box) => box.checked).length + elsewhere;
    const rest = elsewhere ? `, ${elsewhere.toLocaleString("en")} of them not on this page` : "";
    for (const count of counts) count.textContent = chosen ? `${chosen.toLocaleString("en")} selected${rest}` : "";
    clear.hidden = !chosen;
  }

  function keep() {
    if (!waiting) return;
    clearTimeout(waiting);
    waiting = 0;
    const fields = new URLSearchParams(new FormData(form));
    fields.set("then", "keep");
    fetch(form.action, { method: "POST", body: fields, keepalive: true }).catch(() => {}); // sent again by the next button
  }

  function changed() {
    show();
    clearTimeout(waiting);
    waiting = setTimeout(keep, QUIET_MS);
  }

  for (const box of boxes) {
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
      }
      last = box;
    });
    box.addEventListener("change", changed);
  }
  form.addEventListener("submit", () => {
    clearTimeout(waiting);
    waiting = 0;
  });
  addEventListener("pagehide", keep);
  addEventListener("pageshow", show); // also after going back, when the browser restores ticks
  show();
}
