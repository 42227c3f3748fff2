// Asks again for what is still moving on the page: every [data-live] region fetches its address and is replaced by the region of the
// same id in the answer, until that one no longer says data-live.
const PAUSE_MS = 2000;

async function refresh(region) {
  const answer = await fetch(region.dataset.live, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) return region;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(region.id);
  if (!fresh) return region;
  if (fresh.innerHTML === region.innerHTML && "live" in fresh.dataset) return region;
  region.replaceWith(fresh);
  return fresh;
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
