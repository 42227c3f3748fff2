// Shows a thumbnail as soon as it is made. Until then the server sends a tile of 4 by 3 pixels that says when to ask again.

const WAITING_WIDTH = 4;
const TRIES = 7; // each waits twice as long as the one before: a picture that is gone is not made

async function follow(picture, address) {
  for (let tries = 0; tries < TRIES && picture.isConnected; tries++) {
    const answer = await fetch(address, { cache: "no-store" }).catch(() => null);
    const pause = answer?.headers.get("Retry-After");
    if (answer?.ok && !pause) {
      picture.removeAttribute("srcset");
      picture.src = URL.createObjectURL(await answer.blob());
      return;
    }
    await new Promise((done) => setTimeout(done, 1000 * (Number(pause) || 2) * 2 ** tries));
  }
}

function look(picture) {
  if (picture.naturalWidth === WAITING_WIDTH && !picture.dataset.follows) {
    picture.dataset.follows = "";
    follow(picture, picture.currentSrc);
  }
}

document.addEventListener("load", ({ target }) => target.matches?.(".film img") && look(target), true);
for (const picture of document.querySelectorAll(".film img")) if (picture.complete) look(picture);
