// A text field without this script says how many letters fit; with it, also how many are left. Nothing is cut: what is too long is said.
for (const field of document.querySelectorAll("[data-longest]")) {
  const told = field.parentElement.querySelector("[data-letters]");
  const longest = Number(field.dataset.longest);

  function show() {
    const left = longest - [...field.value.trim()].length;
    told.textContent = left < 0 ? `${(-left).toLocaleString("en")} too many.` : left <= longest / 4 ? `${left.toLocaleString("en")} left.` : "";
    told.classList.toggle("error-text", left < 0);
  }

  field.addEventListener("input", show);
  show();
}
