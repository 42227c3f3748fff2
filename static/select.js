// The contact sheet without this script: tick photos, or "select all", and send. With it: a running count.
for (const form of document.querySelectorAll("form[data-select]")) {
  const all = form.querySelector("[data-all]");
  const count = form.querySelector("[data-count]");
  const boxes = [...form.querySelectorAll("input[name=uid]")];
  const total = Number(all.dataset.all);

  function show() {
    const ticked = boxes.filter((box) => box.checked).length;
    const chosen = all.checked ? total : ticked;
    count.textContent = chosen ? `${chosen.toLocaleString("en")} selected` : "";
    all.indeterminate = !all.checked && ticked > 0;
  }

  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    show();
  });
  let last = null;
  for (const box of boxes) {
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
      }
      last = box;
    });
    box.addEventListener("change", () => {
      if (!box.checked) all.checked = false;
      show();
    });
  }
  addEventListener("pageshow", show); // also after going back, when the browser restores ticks
  show();
}
