// Times inside sentences, as every page writes them: in plain words, with the exact time for machines. portal/formats.py does the same.

const WHEN = /(\b(?:on|at|until|published) )([1-9]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\b/g; // never a name that is spelled like one
const MONTHS = "January February March April May June July August September October November December".split(" ");

/** The sentence as nodes: a time element for each time of a signed file in it. */
export function timed(sentence) {
  const nodes = [];
  let end = 0;
  for (const found of sentence.matchAll(WHEN)) {
    const [whole, before, stamp] = found;
    nodes.push(sentence.slice(end, found.index) + before, stamped(stamp));
    end = found.index + whole.length;
  }
  return [...nodes, sentence.slice(end)];
}

function stamped(stamp) {
  const at = new Date(stamp);
  if (Number.isNaN(at.getTime()) || !at.toISOString().startsWith(stamp.slice(0, -1))) return stamp; // a day that no calendar has
  const made = document.createElement("time");
  made.dateTime = stamp;
  made.dataset.hour = ""; // static/local-time.js adds the reader's own hour
  made.textContent = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${stamp.slice(0, 4)}, ${stamp.slice(11, 16)} UTC`;
  return made;
}
