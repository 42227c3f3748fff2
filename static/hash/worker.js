// One file at a time, away from the page's own thread. Asked with a file; answers {progress}, and last {fingerprint} or {error}.

import { CannotDecode, fingerprintFile } from "./fingerprint.js";

addEventListener("message", async ({ data: file }) => {
  try {
    postMessage({ fingerprint: await fingerprintFile(file, { onProgress: (progress) => postMessage({ progress }) }) });
  } catch (error) {
    if (error instanceof CannotDecode) return postMessage({ error: { reason: error.reason, message: error.message } });
    console.error(error);
    postMessage({ error: { reason: "failed", message: "This picture could not be read here; the file may have been moved." } });
  }
});
