// Fingerprints of many files by a few workers, so that the page stays responsive and memory bounded.

import { CannotDecode } from "./errors.js";

const MOST_WORKERS = 4;

/**
 * The fingerprints of `files`, in their order, each as soon as it and those before it are known.
 * @param {Iterable<Blob>} files
 * @param {{onProgress?: (done: number, total: number) => void, signal?: AbortSignal}} options `done` counts in fractions of files
 * @yields {{file: Blob, fingerprint?: object, error?: CannotDecode}}
 * @throws {DOMException} the signal's reason once it is aborted
 */
export async function* fingerprintFiles(files, { onProgress = () => {}, signal } = {}) {
  const all = Array.from(files, errand);
  const waiting = [...all];
  const tell = () => onProgress(all.reduce((sum, { progress }) => sum + progress, 0), all.length);
  const workers = Array.from({ length: Math.min(workersHere(), all.length) }, () => startWorker(waiting, tell));
  const aborted = new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
  aborted.catch(() => {});
  try {
    for (const { file, promise } of all) {
      signal?.throwIfAborted();
      yield { file, ...(await Promise.race([promise, aborted])) };
    }
  } finally {
    for (const worker of workers) worker.terminate();
  }
}

function errand(file) {
  let resolve;
  const promise = new Promise((resolved) => (resolve = resolved));
  return { file, progress: 0, promise, resolve };
}

/** At most one for each core, and for each GiB of memory: a picture of 89 million pixels takes a third of one. */
function workersHere() {
  return Math.max(Math.floor(Math.min(MOST_WORKERS, navigator.hardwareConcurrency, navigator.deviceMemory ?? MOST_WORKERS)), 1);
}

/** A worker that takes one file after the other off `waiting`. */
function startWorker(waiting, tell) {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  let current;
  const finish = (outcome) => {
    current.progress = 1;
    current.resolve(outcome);
    tell();
    next();
  };
  const next = () => {
    current = waiting.shift();
    if (current) worker.postMessage(current.file);
  };
  worker.addEventListener("message", ({ data: { progress, fingerprint, error } }) => {
    if (fingerprint) return finish({ fingerprint });
    if (error) return finish({ error: new CannotDecode(error.reason, error.message) });
    current.progress = progress;
    tell();
  });
  worker.addEventListener("error", () => {
    while (current) finish({ error: cannotStart() }); // it never started: whatever else goes wrong is told by a message
  });
  next();
  return worker;
}

function cannotStart() {
  return new CannotDecode("browser", "This browser is too old to take fingerprints of pictures.");
}
