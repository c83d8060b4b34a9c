// What the page of an error can do on top of HTML: look again when the database was away, less and less often, and not
// while nobody watches. Without this file the link on the page does it.
"use strict";

const LONGEST_WAIT = 60; // seconds between two looks

const notice = document.querySelector("[data-retry]");
if (notice) lookAgain(notice, document.querySelector("main input"));

// Where the page has a field, what somebody has begun to type in it stays; what the page says then is the room's own.
function lookAgain(notice, input) {
  const words = notice.querySelector(".next-try");
  const before = input?.value;
  let wait = Math.max(2, Number(notice.dataset.retry) || 0);

  plan();

  function plan() {
    words.textContent = "This page also looks again by itself.";
    // Everybody's page was refused at the same moment; they need not come back at the same moment.
    setTimeout(look, wait * (750 + 500 * Math.random()));
    wait = Math.min(2 * wait, LONGEST_WAIT);
  }

  async function look() {
    if (document.hidden) return document.addEventListener("visibilitychange", look, { once: true });
    const answer = await fetch(location.href, { method: "HEAD", headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer || answer.status >= 500) plan();
    else if (input?.value === before) location.reload();
    else goOn();
  }

  // All that told of the trouble goes; what stays is the one part that is read out when it changes.
  function goOn() {
    const heading = document.querySelector("h1");
    document.title = document.title.replace(heading.textContent, notice.dataset.heading);
    heading.textContent = notice.dataset.heading;
    for (const part of [...notice.children]) if (part !== words) part.remove();
    notice.classList.add("good");
    words.textContent = notice.dataset.good;
  }
}
