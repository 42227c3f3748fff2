// Buttons that print the page; without scripts the style sheet hides them.
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-print]")) print();
});
