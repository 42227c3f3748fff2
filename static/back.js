// Links to the page that this one was reached from. Without this script they open it anew; with it they go back, to what was ticked there.
for (const link of document.querySelectorAll("a[data-back]")) {
  link.addEventListener("click", (event) => {
    if (document.referrer !== link.href) return;
    event.preventDefault();
    history.back();
  });
}
