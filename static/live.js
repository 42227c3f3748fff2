// Asks again for what is still moving on the page: every [data-live] region fetches its address and is replaced by the region of the
// same id in the answer, until that one no longer says data-live. What it says in data-says becomes the page's title, and is read out.
const PAUSE_MS = 2000;

async function refresh(region) {
  const answer = await fetch(region.dataset.live, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) return region;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(region.id);
  if (!fresh) return region;
  if (fresh.innerHTML === region.innerHTML && "live" in fresh.dataset) return region;
  region.replaceWith(fresh);
  if (fresh.dataset.says && fresh.dataset.says !== region.dataset.says) announce(fresh.dataset.says);
  return fresh;
}

function announce(words) {
  document.title = `${words} – Demur`;
  for (const status of document.querySelectorAll("[data-said]")) status.textContent = words;
}

async function follow(region) {
  while (region && "live" in region.dataset) {
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    if (document.visibilityState === "hidden") continue;
    try {
      region = await refresh(region);
    } catch {
      // offline for a moment: ask again
    }
  }
}

for (const region of document.querySelectorAll("[data-live]")) follow(region);
