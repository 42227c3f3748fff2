/**
 * This picture has no fingerprint on this device; the server may still read the file. The message is a sentence for the person.
 * `reason` is one of "format" (the browser does not decode it), "unsupported" (nor does the server), "too-large", "altered" (the browser gives changed pixels to pages),
 * "insecure" (the page did not come over HTTPS), "browser" (too old) and "failed" (the file went away, or memory ran out).
 */
export class CannotDecode extends Error {
  constructor(reason, message) {
    super(message);
    this.name = "CannotDecode";
    this.reason = reason;
  }
}
