// What a stranger looked up waits in this tab while they sign in: names and fingerprints, never the pictures. Signing out clears it.
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
