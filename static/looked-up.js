// What was looked up, when who is signed in changes. What a stranger looked up waits in this tab while they sign in: names and
// fingerprints, never the pictures. What a member looked up is not shown after signing out.
const KEY = "looked-up";

/** Leaves for the sign-in and comes back to this page: `lookedUp()` gives [{name, fingerprint}] at that moment. */
export function keepOverSignIn(lookedUp) {
  for (const link of document.querySelectorAll("a[href*='/auth/sign-in']")) {
    link.addEventListener("click", () => {
      const kept = lookedUp();
      if (!kept.length) return;
      try {
        sessionStorage.setItem(KEY, JSON.stringify(kept));
        link.search = `?next=${encodeURIComponent(location.pathname)}`;
      } catch {
        // no room or no storage: then they look it up again
      }
    });
  }
}

/** What waited, once. */
export function takeLookedUp() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    sessionStorage.removeItem(KEY);
    return kept;
  } catch {
    return [];
  }
}

/** A browser may bring a member's page back from its history, with the answers in it. They are shown again only while the member is signed in. */
export function hideFromHistory(answers) {
  addEventListener("pageshow", async (event) => {
    if (!event.persisted) return;
    answers.style.visibility = "hidden";
    const page = await fetch(location.href, { cache: "no-store" }).then((answer) => answer.text(), () => "");
    if (page.includes("data-count")) answers.style.visibility = "";
    else location.reload();
  });
}
