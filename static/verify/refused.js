/** A file does not prove what it claims, or is none that can be judged. The message is a sentence for the person; `name` says which kind. */
export class Refused extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

/** Bytes or a value without the form that was asked for. */
export class Malformed extends Error {}

/** What `read` returns; where it finds something malformed, that is a refusal of the kind `name`. */
export function readOrRefuse(name, message, read) {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw new Refused(name, message);
  }
}
