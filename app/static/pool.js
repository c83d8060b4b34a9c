// Keeps the dashboard going: asks for this very page every two seconds and puts its #live in the place of ours.
"use strict";

(() => {
  const EVERY_MS = 2000;
  const PATIENCE_MS = 10000;
  const live = document.getElementById("live");
  const pulse = document.getElementById("pulse");
  let timer = 0;
  let isAsking = false;
  const timeOf = (part) => part.querySelector(".as-of time").textContent; // the server's, as below everything
  let lastAnswer = timeOf(live);

  // Read out by screen readers, so it is touched only when it says something new.
  const say = (text, level, isStale = false) => {
    live.classList.toggle("stale", isStale);
    if (pulse.textContent === text) return;
    pulse.textContent = text;
    pulse.className = `pulse ${level}`;
  };

  // What a reader has done to the page, by the ids of its parts: opened, scrolled, focused.
  const remember = () => ({
    open: [...live.querySelectorAll("details[open]")].map((part) => part.id),
    scrolled: [...live.querySelectorAll(".sheet")].map((part) => [part.id, part.scrollLeft, part.scrollTop]),
    focused: live.contains(document.activeElement) ? whereIs(document.activeElement) : null,
  });

  const whereIs = (element) =>
    element.id ? `#${element.id}` : `#${element.closest("[id]").id} > ${element.tagName.toLowerCase()}`;

  const restore = ({ open, scrolled, focused }) => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, left, top] of scrolled) document.getElementById(id)?.scrollTo({ left, top, behavior: "instant" });
    if (focused) live.querySelector(focused)?.focus({ preventScroll: true });
  };

  // Whoever is copying a request's id must not lose it.
  const isSelecting = () => {
    const selection = getSelection();
    return !selection.isCollapsed && live.contains(selection.anchorNode);
  };

  const show = (fresh) => {
    const [x, y] = [scrollX, scrollY];
    const state = remember();
    live.replaceChildren(...fresh.childNodes);
    restore(state);
    scrollTo({ left: x, top: y, behavior: "instant" });
  };

  const update = async () => {
    const answer = await fetch(location.href, {
      credentials: "same-origin",
      cache: "no-store",
      headers: { Accept: "text/html" },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    if (answer.status === 401 || answer.status === 403) {
      say("Stopped: this server no longer lets you look. Reload the page to log in.", "bad", true);
      return false;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (!answer.ok || !fresh) throw new Error(`status ${answer.status}`);
    lastAnswer = timeOf(fresh);
    if (isSelecting()) {
      say("Held while text is selected.", "warn");
    } else {
      show(fresh);
      say("Live, every 2 s.", "good");
    }
    return true;
  };

  const goOn = async () => {
    clearTimeout(timer);
    if (isAsking || document.hidden) return;
    isAsking = true;
    const again = await update().catch(() => {
      say(`No answer since ${lastAnswer} UTC; still trying.`, "warn", true);
      return true;
    });
    isAsking = false;
    if (again) timer = setTimeout(goOn, EVERY_MS);
    else document.removeEventListener("visibilitychange", goOn);
  };

  // Nobody looks at a hidden tab; it begins again as soon as somebody does.
  document.addEventListener("visibilitychange", goOn);
  say("Live, every 2 s.", "good");
  timer = setTimeout(goOn, EVERY_MS);
})();
