// Keeps the dashboard going: asks for this very page every two seconds and renews what is inside of each data-live.
// What a reader has opened, scrolled or focused is around that, and stays.
"use strict";

(() => {
  const EVERY_MS = 2000;
  const PATIENCE_MS = 10000;
  const live = document.getElementById("live");
  const pulse = document.getElementById("pulse");
  let timer = 0;
  let isAsking = false;

  // Read out by screen readers, so it is touched only when it says something new.
  const say = (text, level, isStale = false) => {
    live.classList.toggle("stale", isStale);
    if (pulse.textContent !== text) pulse.textContent = text;
    pulse.className = level;
  };

  // Whoever is copying a request's id must not lose it.
  const isSelecting = () => !getSelection().isCollapsed && live.contains(getSelection().anchorNode);

  const update = async () => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const answer = await fetch(location.href, { cache: "no-store", headers: { Accept: "text/html" }, signal });
    if (answer.status === 401 || answer.status === 403) {
      document.removeEventListener("visibilitychange", goOn);
      say("Stopped: this server no longer lets you look. Reload the page to log in.", "bad", true);
      return false;
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok || !fresh.getElementById("live")) throw new Error(`status ${answer.status}`);
    if (isSelecting()) {
      say("Held while text is selected.", "warn");
      return true;
    }
    for (const part of live.querySelectorAll("[data-live]"))
      part.replaceChildren(...fresh.getElementById(part.id).childNodes);
    say("Live, every 2 s.", "good");
    return true;
  };

  const goOn = async () => {
    clearTimeout(timer);
    if (isAsking || document.hidden) return;
    isAsking = true;
    const again = await update().catch(() => {
      say(`No answer since ${live.querySelector("time").textContent} UTC; still trying.`, "warn", true);
      return true;
    });
    isAsking = false;
    if (again) timer = setTimeout(goOn, EVERY_MS);
  };

  // Nobody looks at a hidden tab; it begins again as soon as somebody does.
  document.addEventListener("visibilitychange", goOn);
  say("Live, every 2 s.", "good");
  timer = setTimeout(goOn, EVERY_MS);
})();
